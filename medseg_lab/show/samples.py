"""What raters drew, and what methods draw in their place: diverse and plausible, or only blurred?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.task import Task
from medseg_lab.data.wording import counted
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.contours import CONTOURS, Cut, handles, painted, panel, small_title
from medseg_lab.show.disagreement import common_case, disagreement_window, filled_readings, row_heading
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.spot import Spot
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.energy_distance import overlap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALIKE = 1e-4
"""Samples whose probabilities differ nowhere by more count as one sample."""

FINE = 96
"""Pixels of a window's edge above which outlines are wide for what they surround."""


def show_samples(
    drawn: Mapping[str, Drawn],
    task: Task,
    *,
    columns: int = 6,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """The readings of one case above, and below them a row of samples for each method.

    A sample is the most probable class of each pixel; a sample that repeats an earlier one is left out. The
    last column is the probability of the foreground class that the raters mark least: in the first row
    the true one, or the share of the raters; below, each method's mean over all its samples. A method whose
    samples are alike and whose mean is grey is only blurred.

    Two numbers say how the samples differ within the window, both as IoU, mean over the foreground classes:
    over the pairs of different samples, and between a sample and the rater nearest to it.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        columns: samples in a row, at most.
        slice_axis: axis across which a volume is cut; the slice is that of `disagreement_window`.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no method, several cases, a case without a reading, or less than one column.
    """
    if columns < 1:
        raise ValueError(f"columns: expected 1 or more, got {columns}")
    case, n_classes = common_case(drawn), len(task.classes)
    place = disagreement_window(case, [one.prediction for one in drawn.values()], slice_axis)
    readings = np.stack([place.of(reading) for reading in filled_readings(case)])
    shown, known = _rarest(readings, n_classes), case.distribution
    share = (readings == shown).mean(axis=0) if known is None else place.of(known[shown].cpu().numpy())
    said = counted(len(readings), "rater")
    if len(readings) > 1:
        said += f": IoU with one another {mean_pairwise_iou(readings, n_classes):.2f}"
    rows = [(said, readings, share)]
    for name, one in drawn.items():
        labels = distinct(_inside(one.samples, place)).argmax(dim=1).numpy()
        said = f"{fitted([name], 26, 1)[0]}: {in_words(labels, readings, n_classes)}"
        rows.append((said, labels, _inside(one.mean[None], place)[0, shown].numpy()))
    cuts = []
    for _, labels, share in rows:
        maps = {str(i): label for i, label in enumerate(labels[:columns])}
        cuts.append(place.cut(case, {**maps, "share": share}, channel))
    with house():
        headings = [said for said, _, _ in rows]
        fig = _draw(headings, cuts, columns, task, shown, "votes" if known is None else "truth")
        said = ". ".join(said[:1].upper() + said[1:] for said in headings)
        fig.set_label(
            f"Case {case.id}: what {counted(len(readings), 'rater')} marked, and below it samples of each "
            f"method, with the mean probability of {task.classes[shown]} at the right. {said}."
        )
    return fig


def distinct(samples: Tensor) -> Tensor:
    """The samples `(n, K, *S)` without those that repeat an earlier one."""
    kept: list[Tensor] = []
    for sample in samples:
        if not any(float((sample - other).abs().max()) < ALIKE for other in kept):
            kept.append(sample)
    return torch.stack(kept)


def in_words(labels: NDArray, readings: NDArray, n_classes: int) -> str:
    """How alike segmentations `(A, *S)` are to one another, and to the nearest of the readings `(R, *S)`."""
    near = overlap(torch.from_numpy(labels), torch.from_numpy(readings), n_classes).mean(dim=0)
    nearest = f"with the nearest rater {float(near.amax(dim=1).mean()):.2f}"
    if len(labels) == 1:
        return f"always the same, IoU {nearest}"
    return f"IoU with one another {mean_pairwise_iou(labels, n_classes):.2f}, {nearest}"


def mean_pairwise_iou(labels: NDArray, n_classes: int) -> float:
    """Mean IoU over the pairs of two or more segmentations `(A, *S)` and over the foreground classes."""
    found = torch.from_numpy(labels)
    between = overlap(found, found, n_classes).mean(dim=0)
    return float((between.sum() - between.trace()) / (len(labels) * (len(labels) - 1)))


def is_crowded(cut: Cut, n_classes: int) -> bool:
    """Whether outlines of all classes would hide what they surround."""
    return n_classes > 2 or max(cut.image.shape[:2]) > FINE


def _rarest(readings: NDArray, n_classes: int) -> int:
    """The foreground class of which least is marked, but something."""
    counts = np.bincount(readings.ravel(), minlength=n_classes)[1:n_classes]
    return 1 + int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))


def _inside(samples: Tensor, place: Spot) -> Tensor:
    """`(n, K, *S)` at one place, `(n, K, H, W)`, on the CPU."""
    flat = samples if place.axis is None else samples.select(place.axis + 2, place.index)
    return flat[(..., *place.box)].cpu()


def _draw(
    headings: Sequence[str], cuts: Sequence[Cut], columns: int, task: Task, shown: int, first: str
) -> "Figure":
    from matplotlib.patches import Patch

    painted_classes = range(1, len(task.classes)) if is_crowded(cuts[0], len(task.classes)) else ()
    colours = {k: CONTOURS[(k - 1) % len(CONTOURS)][0] for k in painted_classes}
    fig = canvas(7.0, len(cuts) * (ratio(cuts[0]) * 6.1 / (columns + 1) + 0.3) + 0.55)
    panels = fig.subplots(len(cuts), columns + 1, squeeze=False)
    for said, cut, axes in zip(headings, cuts, panels, strict=True):
        for i, ax in enumerate(axes[:-1]):
            if str(i) in cut.labels:
                panel(ax, cut, str(i), 0 if colours else len(task.classes))
                for k, colour in colours.items():
                    painted(ax, cut.labels[str(i)] == k, colour)
            elif cut is cuts[0] and i == columns - 1:
                panel(ax, cut, "", 0)
                small_title(ax, "image")
            else:
                ax.set(xticks=[], yticks=[])
                ax.set_axis_off()
        map_ = heat_map(axes[-1], cut, "share", 1)
        # at the right, because the row's heading may be long
        above = first if cut is cuts[0] else "mean"
        axes[-1].set_title(above, fontsize=9, fontweight="normal", loc="right")
        row_heading(axes[0], said)
    fig.colorbar(map_, ax=list(panels[:, -1]), aspect=40, label=f"probability of {task.classes[shown]}")
    patches = [Patch(facecolor=c, edgecolor="black", label=task.classes[k]) for k, c in colours.items()]
    fig.legend(handles=patches or handles(task), loc="outside lower center", ncols=6)
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05, wspace=0.01, hspace=0.01)
    return fig
