"""Cases, good and bad, with what each method drew on them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import score
from medseg_lab.show.contours import Cut, cut_slice, panels, per_slice, pictured, small_title, square_box
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 5


def best_and_worst(
    cases: Sequence[Case],
    predictions: Mapping[str, Mapping[str, NDArray[np.integer]]],
    task: Task,
    *,
    slice_axis: int = 0,
    channel: int | None = None,
) -> "Figure":
    """The best, the median and the worst case: image, reference, and every method's contours.

    Cases are ranked by their Dice, averaged over the methods. Of a volume, the slice is shown on which the
    methods and the reference disagree on most voxels, cut to the region that anyone marked.

    Args:
        cases: with reference labels.
        predictions: a method's name to its classes `(*S)` by case id
            (`medseg_lab.evaluation.judge.segmentations`); five methods at most.
        task: names the classes.
        slice_axis: along which a volume is sliced.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for more methods than fit a page, or no cases.
    """
    dice = _dice(cases, predictions, task)
    ranked = sorted(cases, key=lambda case: -np.mean(list(dice[case.id].values())))
    if len(ranked) < 3:
        rows = dict(zip(["best", "worst"] if len(ranked) == 2 else ["the only case"], ranked, strict=True))
    else:
        rows = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    return side_by_side(rows, predictions, task, slice_axis=slice_axis, channel=channel)


def side_by_side(
    rows: Mapping[str, Case],
    predictions: Mapping[str, Mapping[str, NDArray[np.integer]]],
    task: Task,
    *,
    slice_axis: int = 0,
    channel: int | None = None,
) -> "Figure":
    """As `best_and_worst`, of cases that the caller picked; each with what is written beside it.

    Raises:
        ValueError: for more methods than fit a page, or no cases.
    """
    dice = _dice(list(rows.values()), predictions, task)
    names = ["image", "reference", *predictions]
    with house():
        cuts = [_cut(case, predictions, slice_axis, channel) for case in rows.values()]
        fig, grid = panels([[(cut, name) for name in names] for cut in cuts], task)
        said = []
        for row, ((title, case), axes) in enumerate(zip(rows.items(), grid, strict=True)):
            values = {name: f"Dice {value:.2f}" for name, value in dice[case.id].items()}
            axes[0].set_ylabel(f"{title}\n{_short(case.id)}", fontsize=9)
            for ax, name in zip(axes, names, strict=True):
                small_title(ax, ("" if row else f"{fill(name, 18)}\n") + values.get(name, ""))
            said.append(f"{title} case {case.id}: {', '.join(map(' '.join, values.items()))}")
        fig.set_label(f"Contours of the reference and of each method. {'. '.join(said)}.")
    return fig


def telling_slice(reference: NDArray, others: Sequence[NDArray], axis: int) -> int:
    """The index along `axis` at which most voxels are not labelled alike by all.

    Only slices count on which the reference marks a quarter or more of what it marks on its fullest: an edge
    of the image tells little of a structure. If all agree, it is the fullest slice.
    """
    marked = per_slice(reference > 0, axis)
    different = per_slice(np.any([other != reference for other in others], axis=0), axis)
    different = np.where(marked >= marked.max() / 4, different, 0)
    return int(np.argmax(different if different.any() else marked))


def case_dice(prediction: NDArray, reference: NDArray, task: Task) -> float:
    """Dice of a whole case, mean over the classes that are there or were predicted; 1 if there are none."""
    rows = score(prediction, reference, len(task.classes), None, metrics=["dice"])
    values = [row["dice"] for row in rows if not np.isnan(row["dice"])]
    return float(np.mean(values)) if values else 1.0


def _short(name: str) -> str:
    """An id as it fits beside a panel: of a long one, such as a digest, the beginning."""
    return name if len(name) <= 24 else f"{name[:12]}…"


def _dice(
    cases: Sequence[Case], predictions: Mapping[str, Mapping[str, NDArray[np.integer]]], task: Task
) -> dict[str, dict[str, float]]:
    """Each method's Dice by case id."""
    if not cases or not 1 <= len(predictions) <= MOST:
        seen = f"{len(cases)} cases and {len(predictions)} methods"
        raise ValueError(f"cases, predictions: expected 1 case or more and 1 to {MOST} methods, got {seen}")
    return {
        case.id: {
            name: case_dice(of[case.id], case.label.cpu().numpy(), task) for name, of in predictions.items()
        }
        for case in cases
    }


def _cut(case: Case, predictions: Mapping[str, Mapping[str, NDArray]], axis: int, channel: int | None) -> Cut:
    reference, drawn = case.label.cpu().numpy(), {name: of[case.id] for name, of in predictions.items()}
    known = reference != IGNORE
    labels = {"reference": np.where(known, reference, 0), **drawn}
    judged = [np.where(known, label, 0) for label in drawn.values()]
    index = telling_slice(labels["reference"], judged, axis) if reference.ndim == 3 else 0
    cut = cut_slice(pictured(case, channel), labels, case.spacing, axis, index)
    marked = np.any([label > 0 for label in cut.labels.values()], axis=0)
    if not marked.any():
        return cut
    box = square_box(marked, [cut.aspect, 1.0])
    return replace(cut, image=cut.image[box], labels={name: label[box] for name, label in cut.labels.items()})
