"""What raters drew, and what methods draw in their place: diverse and plausible, or only blurred?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.evaluation.wording import counted
from medseg_lab.show.contours import CONTOURS, Cut, handles, panel, small_title
from medseg_lab.show.disputed import disputed, heading, one_case, read
from medseg_lab.show.names import fitted
from medseg_lab.show.paint import painted
from medseg_lab.show.spot import Spot
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.energy_distance import overlap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALIKE = 1e-4
"""Samples whose probabilities differ nowhere by more are one sample."""

FINE = 96
"""Pixels of a window above which an outline is wider than what it surrounds: classes are painted instead."""


@dataclass(frozen=True)
class Row:
    """What one row shows.

    Args:
        said: its heading.
        segmentations: how many; they are the labels "0", "1", ... of the cut.
        cut: the image; its label "share" is the probability of one class.
        share: what that is.
    """

    said: str
    segmentations: int
    cut: Cut
    share: str


def show_samples(
    drawn: Mapping[str, Drawn],
    task: Task,
    *,
    columns: int = 6,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """The readings of one case above, and below them a row of samples for each method.

    A sample is the class that is most probable in each pixel; one that was drawn before is not shown again.
    The last column is the probability of one class, the one that the raters mark least of: the share of
    the raters, or what is known of it, and each method's mean over all its samples. Where single samples
    are alike and the mean is grey, the method is only blurred.

    Two numbers say how the samples (H, W) of the window differ, both as IoU, mean over the foreground
    classes: over the pairs of different samples, and between a sample and the rater who is nearest to it.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        columns: samples in a row, at most.
        slice_axis: across which a volume is cut; shown is the slice on which the raters differ most.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no method, several cases, a case without a reading, or less than one column.
    """
    if columns < 1:
        raise ValueError(f"columns: got {columns}, wanted 1 or more")
    case = one_case(drawn)
    place = disputed(case, [one.prediction.cpu().numpy() for one in drawn.values()], slice_axis)
    readings = np.stack([place.of(reading) for reading in read(case)])
    shown, known = _rarest(readings, len(task.classes)), case.distribution
    share = (readings == shown).mean(axis=0) if known is None else place.of(known[shown].cpu().numpy())
    said = counted(len(readings), "rater")
    if len(readings) > 1:
        said += f": IoU with one another {alike(readings, len(task.classes)):.2f}"
    rows = [
        _row(said, readings[:columns], share, "votes" if known is None else "truth", place, case, channel)
    ]
    for name, one in drawn.items():
        labels = distinct(_inside(one.samples, place)).argmax(dim=1).numpy()
        share = _inside(one.mean[None], place)[0, shown].numpy()
        said = f"{fitted([name], 26, 1)[0]}: {in_words(labels, readings, len(task.classes))}"
        rows.append(_row(said, labels[:columns], share, "mean", place, case, channel))
    with house():
        fig = _draw(rows, columns, task, shown)
        said = ". ".join(row.said[:1].upper() + row.said[1:] for row in rows)
        fig.set_label(
            f"Case {case.id}: what {counted(len(readings), 'rater')} marked, and below it samples of each "
            f"method, with the mean probability of {task.classes[shown]} at the right. {said}."
        )
    return fig


def distinct(samples: Tensor) -> Tensor:
    """The samples `(n, K, *S)` without those that were drawn before, in their order."""
    kept: list[Tensor] = []
    for sample in samples:
        if not any(float((sample - other).abs().max()) < ALIKE for other in kept):
            kept.append(sample)
    return torch.stack(kept)


def in_words(labels: NDArray, readings: NDArray, n_classes: int) -> str:
    """How alike segmentations `(A, *S)` are to one another, and to the nearest of the readings `(R, *S)`."""
    near = overlap(torch.from_numpy(labels), torch.from_numpy(readings), n_classes).mean(dim=0)
    nearest = f"{float(near.amax(dim=1).mean()):.2f}"
    if len(labels) == 1:
        return f"always the same, IoU with the nearest rater {nearest}"
    return f"IoU with one another {alike(labels, n_classes):.2f}, with the nearest rater {nearest}"


def alike(labels: NDArray, n_classes: int) -> float:
    """Mean IoU over the pairs of two or more segmentations `(A, *S)` and over the foreground classes."""
    found = torch.from_numpy(labels)
    between = overlap(found, found, n_classes).mean(dim=0)
    return float((between.sum() - between.trace()) / (len(labels) * (len(labels) - 1)))


def _rarest(readings: NDArray, n_classes: int) -> int:
    """The foreground class of which least is marked, but something."""
    counts = np.bincount(readings.ravel(), minlength=n_classes)[1:n_classes]
    return 1 + int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))


def _inside(samples: Tensor, place: Spot) -> Tensor:
    """`(n, K, *S)` at one place, `(n, K, H, W)`, on the CPU."""
    flat = samples if place.axis is None else samples.select(place.axis + 2, place.index)
    return flat[(..., *place.box)].cpu()


def _row(
    said: str, labels: NDArray, share: NDArray, name: str, place: Spot, case: Case, channel: int | None
) -> Row:
    maps = {str(i): label for i, label in enumerate(labels)}
    return Row(said, len(labels), place.cut(case, {**maps, "share": share}, channel), name)


def _draw(rows: Sequence[Row], columns: int, task: Task, shown: int) -> "Figure":
    first = rows[0].cut
    height = first.image.shape[0] * first.aspect / first.image.shape[1] * 6.1 / (columns + 1)
    fine = len(task.classes) > 2 or max(first.image.shape[:2]) > FINE
    fig = canvas(7.0, len(rows) * (height + 0.3) + 0.55)
    panels = fig.subplots(len(rows), columns + 1, squeeze=False)
    for row, axes in zip(rows, panels, strict=True):
        for i, ax in enumerate(axes[:-1]):
            if i < row.segmentations:
                _segmentation(ax, row.cut, str(i), task, fine)
            elif row is rows[0] and i == columns - 1:
                panel(ax, row.cut, "", 0)
                small_title(ax, "image")
            else:
                ax.set(xticks=[], yticks=[])
                ax.set_axis_off()
        panel(axes[-1], row.cut, "", 0)
        map_ = axes[-1].imshow(row.cut.labels["share"], cmap="cividis", vmin=0, vmax=1, aspect=row.cut.aspect)
        # at the right, for the heading may be long
        axes[-1].set_title(row.share, fontsize=9, fontweight="normal", loc="right")
        heading(axes[0], row.said)
    fig.colorbar(map_, ax=list(panels[:, -1]), aspect=40, label=f"probability of {task.classes[shown]}")
    fig.legend(handles=_painted_handles(task) if fine else handles(task), loc="outside lower center", ncols=6)
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05, wspace=0.01, hspace=0.01)
    return fig


def _segmentation(ax: Any, cut: Cut, name: str, task: Task, fine: bool) -> None:
    panel(ax, cut, name, 0 if fine else len(task.classes))
    for k in range(1, len(task.classes)) if fine else ():
        painted(ax, cut.labels[name] == k, CONTOURS[(k - 1) % len(CONTOURS)][0])


def _painted_handles(task: Task) -> list[Any]:
    from matplotlib.patches import Patch

    colours = [CONTOURS[k % len(CONTOURS)][0] for k in range(len(task.foreground))]
    return [
        Patch(facecolor=colour, edgecolor="black", label=name)
        for colour, name in zip(colours, task.foreground, strict=True)
    ]
