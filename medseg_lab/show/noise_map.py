"""What a network says of the noise in its logits, beside where raters differ (survey 4.2)."""

from typing import TYPE_CHECKING

import torch

from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.disputed import agreed, disputed, read
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner
from medseg_lab.uncertainty.measures.readings import label_variance, shares
from medseg_lab.uncertainty.noise import LogitNoise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.01
"""The top of a scale, at least: where raters agree, or there is one, the variance is 0 throughout."""


def show_noise(
    learner: Learner, one: Drawn, task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """An image with the consensus; the raters' variance; sigma of the logits; the variance of the prediction.

    Of a volume, the slice on which the raters differ most. Variances are those of the label as a one-hot
    vector, summed over the classes, 1 - sum_k p_k^2. Sigma is the mean over the classes, in units of the
    logits.

    Args:
        learner: a trained `LogitNoise`.
        one: a case with its samples; the learner sees a slice of it whole.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for a learner without noise.
    """
    if not isinstance(learner, LogitNoise):
        raise ValueError(f"learner: got {type(learner).__name__}, wanted one with noise on its logits")
    case, classes = one.case, len(task.classes)
    place = disputed(case, [one.prediction.numpy()], slice_axis)
    flat = case.image if place.axis is None else case.image.select(place.axis + 1, place.index)
    with torch.no_grad():
        sigma = learner.eval().noise_std(flat[None].float())[0].mean(dim=0)[place.box]
    maps = {
        "raters' variance": place.of(label_variance(shares(torch.from_numpy(read(case)), classes)).numpy()),
        "sigma of the logits": sigma.numpy(),
        "predicted variance": place.of(label_variance(one.mean).numpy()),
    }
    cut = place.cut(case, {"consensus": place.of(agreed(case)), **maps}, channel)
    with house():
        fig = canvas(7.0, 1.75 * cut.image.shape[0] * cut.aspect / cut.image.shape[1] + 1.1)
        panels = fig.subplots(1, 4)
        panel(panels[0], cut, "consensus", classes)
        small_title(panels[0], "image, consensus")
        # an unseen bar, so that all panels are of one size
        bar = fig.colorbar(panels[0].images[0], ax=panels[0], location="bottom", aspect=12, shrink=0.9)
        bar.ax.set_visible(False)
        for ax, name in zip(panels[1:], maps, strict=True):
            panel(ax, cut, "", 0)
            top = max(float(cut.labels[name].max()), LEAST)
            shown = ax.imshow(cut.labels[name], cmap="cividis", vmin=0, vmax=top, aspect=cut.aspect)
            small_title(ax, name)
            fig.colorbar(shown, ax=ax, location="bottom", aspect=12, shrink=0.9)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        said = "; ".join(
            f"{name} from {found.min():.2f} to {found.max():.2f}" for name, found in maps.items()
        )
        fig.set_label(f"Case {case.id}: the image with the raters' consensus, and maps of {said}.")
    return fig
