"""The noise that a network predicts in its logits, beside where raters differ (survey 4.2)."""

from typing import TYPE_CHECKING, Any

import torch

from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.disagreement import consensus_of, disagreement_window, filled_readings
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.readings import label_variance, shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.01
"""The lowest top of a scale: where raters agree, or there is one, the variance is 0 everywhere."""


def show_noise(one: Drawn, task: Task, *, slice_axis: int = 2, channel: int | None = None) -> "Figure":
    """An image with the consensus; the raters' variance; sigma of the logits; the variance of the prediction.

    Variances are those of the label as a one-hot vector, summed over the classes, 1 - sum_k p_k^2. Sigma is
    the mean over the classes, in units of the logits.

    Args:
        one: a case with samples and noise, of a `LogitNoise`.
        task: names the classes.
        slice_axis: axis across which a volume is cut; the slice is that of `disagreement_window`.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: where the learner predicts no noise.
    """
    if one.noise is None:
        raise ValueError(f"case {one.case.id}: expected a learner that predicts its noise, got none")
    case, classes = one.case, len(task.classes)
    place = disagreement_window(case, [one.prediction], slice_axis)
    among_raters = label_variance(shares(torch.from_numpy(filled_readings(case)), classes))
    maps = {
        "raters' variance": place.of(among_raters.numpy()),
        "sigma of the logits": place.of(one.noise.numpy()),
        "predicted variance": place.of(label_variance(one.mean).numpy()),
    }
    cut = place.cut(case, {"consensus": place.of(consensus_of(case)), **maps}, channel)
    with house():
        fig = canvas(7.0, 1.75 * ratio(cut) + 1.1)
        image, *panels = fig.subplots(1, 4)
        panel(image, cut, "consensus", classes)
        small_title(image, "image, consensus")
        # an invisible bar, so that all panels have one size
        below: dict[str, Any] = {"location": "bottom", "aspect": 12, "shrink": 0.9}
        fig.colorbar(image.images[0], ax=image, **below).ax.set_visible(False)
        for ax, (name, found) in zip(panels, maps.items(), strict=True):
            fig.colorbar(heat_map(ax, cut, name, max(float(found.max()), LEAST), name), ax=ax, **below)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        said = "; ".join(f"{name} from {of.min():.2f} to {of.max():.2f}" for name, of in maps.items())
        fig.set_label(f"Case {case.id}: the image with the raters' consensus, and maps of {said}.")
    return fig
