"""Cases, good and bad, with what each method drew on them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import score
from medseg_lab.show.contours import Cut, cut_slice, handles, panel, pictured, small_title, square_box
from medseg_lab.show.style import canvas, house

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
    dice = dice_by_case(cases, predictions, task)
    rows = _picked(sorted(cases, key=lambda case: -np.mean(list(dice[case.id].values()))))
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
    dice = dice_by_case(list(rows.values()), predictions, task)
    with house():
        cuts = [_cut(case, predictions, slice_axis, channel) for case in rows.values()]
        heights = [cut.image.shape[0] * cut.aspect / cut.image.shape[1] for cut in cuts]
        width = 6.6 / (2 + len(predictions))
        fig = canvas(7.0, 0.75 + sum(width * height + 0.3 for height in heights))
        panels = fig.subplots(len(rows), 2 + len(predictions), squeeze=False, height_ratios=heights)
        for (title, case), cut, row in zip(rows.items(), cuts, panels, strict=True):
            for ax, name in zip(row, ["image", *cut.labels], strict=True):
                panel(ax, cut, name, len(task.classes))
                value = dice[case.id].get(name)
                small_title(ax, "" if value is None else f"Dice {value:.2f}")
            row[0].set_ylabel(f"{title}\n{case.id}", fontsize=9)
        for ax, name in zip(panels[0], ["image", *cuts[0].labels], strict=True):
            small_title(ax, f"{name}\n{ax.get_title('center')}")
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        fig.set_label(alt_text(rows, dice))
    return fig


def alt_text(rows: Mapping[str, Case], dice: Mapping[str, Mapping[str, float]]) -> str:
    """The figure in words."""
    said = [
        f"{title} case {case.id}: "
        + ", ".join(f"{name} Dice {value:.2f}" for name, value in dice[case.id].items())
        for title, case in rows.items()
    ]
    return "Contours of the reference and of each method. " + ". ".join(said) + "."


def dice_by_case(
    cases: Sequence[Case], predictions: Mapping[str, Mapping[str, NDArray[np.integer]]], task: Task
) -> dict[str, dict[str, float]]:
    """Each case's Dice under each method, by the case's id.

    Raises:
        ValueError: for more methods than fit a page, or no cases.
    """
    if not cases or not 1 <= len(predictions) <= MOST:
        seen = f"{len(cases)} cases and {len(predictions)} methods"
        raise ValueError(f"pictures: got {seen}, wanted 1 case or more and 1 to {MOST} methods")
    return {
        case.id: {
            name: case_dice(of[case.id], case.label.cpu().numpy(), task) for name, of in predictions.items()
        }
        for case in cases
    }


def telling_slice(reference: NDArray, others: Sequence[NDArray], axis: int) -> int:
    """The index along `axis` at which most voxels are not labelled alike by all.

    Only slices count on which the reference marks a quarter or more of what it marks on its fullest: an edge
    of the image tells little of a structure. If all agree, it is the fullest slice.
    """
    first = np.moveaxis(reference, axis, 0)
    disagree = np.any([np.moveaxis(other, axis, 0) != first for other in others], axis=0)
    across = tuple(range(1, first.ndim))
    marked, different = (first > 0).sum(axis=across), disagree.sum(axis=across)
    different = np.where(marked >= marked.max() / 4, different, 0)
    return int(np.argmax(different if different.any() else marked))


def _picked(ranked: Sequence[Case]) -> dict[str, Case]:
    if len(ranked) < 3:
        return dict(zip(["best", "worst"] if len(ranked) == 2 else ["the only"], ranked, strict=True))
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}


def case_dice(prediction: NDArray, reference: NDArray, task: Task) -> float:
    """Dice of a whole case, mean over the foreground classes."""
    rows = score(prediction, reference, len(task.classes), None, metrics=["dice"])
    return float(np.mean([row["dice"] for row in rows]))


def _cut(case: Case, predictions: Mapping[str, Mapping[str, NDArray]], axis: int, channel: int | None) -> Cut:
    image = pictured(case, channel)
    reference, drawn = case.label.cpu().numpy(), {name: of[case.id] for name, of in predictions.items()}
    known = reference != IGNORE
    labels = {"reference": np.where(known, reference, 0), **drawn}
    judged = [np.where(known, label, 0) for label in drawn.values()]
    index = telling_slice(labels["reference"], judged, axis) if reference.ndim == 3 else 0
    cut = cut_slice(image, labels, case.spacing, axis, index)
    marked = np.any([label > 0 for label in cut.labels.values()], axis=0)
    box = square_box(marked, [cut.aspect, 1.0]) if marked.any() else (slice(None), slice(None))
    inside = {name: label[box] for name, label in cut.labels.items()}
    return replace(cut, image=cut.image[box], labels=inside)
