"""What a Probabilistic U-Net's code stands for: one image, segmented along the code (survey 4.1.1)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAR = 2.0
"""Standard deviations either way at which the dimensions of the code are compared."""


def latent_walk(
    learner: Learner, case: Case, task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> Callable[[float], "Figure"]:
    """A function from a number of standard deviations to the picture of what is segmented there.

    Of the code's dimensions the one is walked along that changes the probabilities most; the others stay at
    the prior's mean. Shown is the fullest slice, about what the first rater marks.

    Args:
        learner: a trained `ProbabilisticUNet` of slices.
        case: with a reading.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for another learner.
    """
    if not isinstance(learner, ProbabilisticUNet):
        raise ValueError(f"learner: got {type(learner).__name__}, wanted a ProbabilisticUNet")
    place = fullest(case, slice_axis, least=learner.patch)
    image = place.image(case).float()
    reach = [
        float((along(learner, image, d, FAR) - along(learner, image, d, -FAR)).abs().mean())
        for d in range(learner.latents)
    ]
    widest = int(np.argmax(reach))

    def frame(deviations: float) -> "Figure":
        found = along(learner, image, widest, float(deviations))[0]
        return _draw(found, place, case, task, f"code {widest + 1} at {deviations:+g} std", channel)

    return frame


def along(learner: ProbabilisticUNet, image: Tensor, dimension: int, deviations: float) -> Tensor:
    """Probabilities `(1, K, H, W)` so many of the prior's standard deviations from its mean."""
    was_training = learner.training
    try:
        with torch.no_grad():
            prior = learner.eval().prior(image)
            noise = torch.zeros_like(prior.mean)
            noise[:, dimension] = deviations
            return learner.logits(learner.features(image), prior.draw(noise)).float().softmax(dim=1)
    finally:
        learner.train(was_training)


def _draw(found: Tensor, place: Spot, case: Case, task: Task, title: str, channel: int | None) -> "Figure":
    last = len(task.classes) - 1
    labels, share = found.argmax(dim=0).numpy(), found[last].numpy()
    reference = place.of(case.label.cpu().numpy())
    cut = place.cut(case, {"reference": reference, "segmented": labels, "share": share}, channel)
    with house():
        ratio = cut.image.shape[0] * cut.aspect / cut.image.shape[1]
        fig = canvas(7.0, 2.1 * ratio + 0.8)
        panels = fig.subplots(1, 3)
        for ax, name, said in zip(panels, ("reference", "segmented"), ("one rater", title), strict=False):
            panel(ax, cut, name, len(task.classes))
            small_title(ax, said)
        panel(panels[2], cut, "", 0)
        map_ = panels[2].imshow(cut.labels["share"], cmap="cividis", vmin=0, vmax=1, aspect=cut.aspect)
        small_title(panels[2], "probability")
        fig.colorbar(map_, ax=panels[2], label=task.classes[last], aspect=20)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        voxels = ", ".join(
            f"{int((labels == k).sum())} pixels of {name}" for k, name in enumerate(task.classes) if k
        )
        fig.set_label(f"Case {case.id}: what one rater marked, and what is segmented with {title}: {voxels}.")
    return fig
