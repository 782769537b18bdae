"""What a Probabilistic U-Net's latent code stands for: one image, segmented along the code (survey 4.1.1)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.spot import fullest
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

    Only the dimension of the code that changes the probabilities most moves; the others stay at the prior's
    mean. Shown is the fullest slice, around what the first rater marks.

    Args:
        learner: a trained `ProbabilisticUNet` of slices.
        case: with a reading.
        task: names the classes.
        slice_axis: axis across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for another learner.
    """
    if not isinstance(learner, ProbabilisticUNet):
        raise ValueError(f"learner: expected a ProbabilisticUNet, got {type(learner).__name__}")
    place = fullest(case, slice_axis, least=learner.patch)
    image, reference = place.image(case).float(), place.of(case.label.cpu().numpy())
    reach = [
        float((along(learner, image, d, FAR) - along(learner, image, d, -FAR)).abs().mean())
        for d in range(learner.latents)
    ]
    widest, last = int(np.argmax(reach)), len(task.classes) - 1

    def draw(deviations: float) -> "Figure":
        found = along(learner, image, widest, float(deviations))[0]
        labels, title = found.argmax(dim=0).numpy(), f"code {widest + 1} at {deviations:+g} std"
        maps = {"reference": reference, "segmented": labels, "share": found[last].numpy()}
        cut = place.cut(case, maps, channel)
        with house():
            fig = canvas(7.0, 2.1 * ratio(cut) + 0.8)
            *outlines, share = fig.subplots(1, 3)
            for ax, name, said in zip(
                outlines, ("reference", "segmented"), ("one rater", title), strict=True
            ):
                panel(ax, cut, name, len(task.classes))
                small_title(ax, said)
            map_ = heat_map(share, cut, "share", 1, "probability")
            fig.colorbar(map_, ax=share, label=task.classes[last], aspect=20)
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            pixels = ", ".join(
                f"{int((labels == k).sum())} pixels of {name}" for k, name in enumerate(task.classes) if k
            )
            fig.set_label(
                f"Case {case.id}: what one rater marked, and what is segmented with {title}: {pixels}."
            )
        return fig

    return draw


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
