"""Readings of the same image by several raters, and the range between them (survey 4.2, figure 20)."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.wording import joined
from medseg_lab.show.contact_sheet import ON_COLOUR
from medseg_lab.show.contours import (
    CONTOURS,
    Line,
    cut_slice,
    in_rows,
    outline,
    painted,
    pictured,
    small_title,
)
from medseg_lab.show.cost import short
from medseg_lab.show.sheet import Box, Sheet, close_up, frame, picture, whole
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.variability.spread import Variability, variability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = len(CONTOURS)
RANGE = {"all raters": "#0072B2", "some raters": "#F0E442"}
"""The consensus, and what is contested. Of different lightness, too."""


def show_raters(
    rows: Mapping[str, Case],
    task: Task,
    *,
    marked: int | Collection[int] = 1,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """The survey's figure 20, of real readings: a row a case.

    From left to right the image, each rater's outline, and what all or some of them mark. The outlines are
    shown from near where they are small or crowded; a frame on the image says where. Of a volume, the slice
    is shown on which most is marked by any rater; the numbers are those of the whole case.

    Args:
        rows: cases with two to four readings, each with what is written beside it; `by_agreement` picks some.
        task: names the classes.
        marked: the class that is compared, or the classes of a region.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no cases, a case with fewer than two readings or more than four, or a class that the
            task does not have.
    """
    classes = _checked(rows, task, marked)
    name = joined([task.classes[k] for k in classes])
    spreads = {title: variability(case.labels, classes, case.spacing) for title, case in rows.items()}
    sheets = {title: _sheet(case, spreads[title], slice_axis, channel) for title, case in rows.items()}
    boxes = {title: close_up(sheet, crowded=True) or whole(sheet) for title, sheet in sheets.items()}
    heights = [max(sheet.ratio(), sheet.ratio(boxes[title])) for title, sheet in sheets.items()]
    with house():
        fig = canvas(7.0, 1.0 + sum(6.6 / 3 * height + 0.45 for height in heights))
        panels = fig.subplots(len(rows), 3, squeeze=False, height_ratios=heights)
        for (title, sheet), row in zip(sheets.items(), panels, strict=True):
            _draw(row, sheet, boxes[title], spreads[title])
            row[0].set_ylabel(f"{title}\n{sheet.id}", fontsize=9)
        for ax, heading in zip(panels[0], ["image", f"outlines of {name}", "variability range"], strict=True):
            small_title(ax, f"{heading}\n{ax.get_title('center')}")
        fig.legend(**_legend(list(sheets.values())), loc="outside lower center", columnspacing=1.2)
        fig.set_label(alt_text(spreads, rows, name))
    return fig


def by_agreement(cases: Sequence[Case], marked: int | Collection[int] = 1) -> dict[str, Case]:
    """The cases on which raters agree most, least, and in between, by the mean Dice of their pairs.

    Cases on which nobody marks anything are left out.

    Raises:
        ValueError: if no case is left, or one has fewer than two readings.
    """
    spreads = [(case, variability(case.labels, marked, case.spacing)) for case in cases]
    ranked = sorted((s for s in spreads if bool(s[1].possible.any())), key=lambda s: -s[1].mean_dice)
    if not ranked:
        raise ValueError(f"cases: expected one or more with a mark, got none in {len(cases)}")
    ordered = [case for case, _ in ranked]
    if len(ordered) < 3:
        return dict(zip(["agree most", "agree least"], ordered, strict=False))
    return {"agree most": ordered[0], "in between": ordered[len(ordered) // 2], "agree least": ordered[-1]}


def alt_text(spreads: Mapping[str, Variability], rows: Mapping[str, Case], name: str) -> str:
    """The figure in words."""
    said = [
        f"{title}, case {rows[title].id}: mean pairwise Dice {spread.mean_dice:.2f}, volumes "
        f"{volumes(spread)}, consensus {_amount(spread.interval[0])} and possible "
        f"{_amount(spread.interval[1])} {spread.unit}"
        for title, spread in spreads.items()
    ]
    return f"Each rater's outline of {name}, and the range between what all and what any of them mark. " + (
        "; ".join(said) + "."
    )


def volumes(spread: Variability) -> str:
    """The volume of each reading, in the raters' order, with the unit."""
    return f"{', '.join(_amount(volume) for volume in spread.volumes.tolist())} {spread.unit}"


def _checked(rows: Mapping[str, Case], task: Task, marked: int | Collection[int]) -> list[int]:
    if not rows:
        raise ValueError("cases: expected one or more, got none")
    for case in rows.values():
        if not 2 <= len(case.labels) <= MOST:
            raise ValueError(f"case {case.id}: expected 2 to {MOST} readings, got {len(case.labels)}")
    classes = [marked] if isinstance(marked, int) else sorted(marked)
    if not classes or not all(0 <= k < len(task.classes) for k in classes):
        raise ValueError(f"marked: expected classes from 0 to {len(task.classes) - 1}, got {marked}")
    return classes


def _sheet(case: Case, spread: Variability, axis: int, channel: int | None) -> Sheet:
    """The slice on which most is marked by any rater, with the readings as masks."""
    index = 0
    if case.label.ndim == 3:
        possible = np.moveaxis(spread.possible.cpu().numpy(), axis % 3, 0)
        index = int(possible.sum(axis=(1, 2)).argmax())
    masks = {str(r): mask for r, mask in enumerate(spread.masks.cpu().numpy())}
    cut = cut_slice(pictured(case, channel), masks, case.spacing, axis % 3, index)
    colour = cut.image.ndim == 3
    low, high = (0.0, 1.0) if colour else cut.window
    image = np.clip((cut.image - low) / (high - low), 0, 1)
    image = np.moveaxis(image, -1, 0) if colour else image[None]
    return Sheet(case.id, image, np.stack(list(cut.labels.values())), cut.aspect, colour)


def _draw(row: Sequence[Any], sheet: Sheet, box: Box, spread: Variability) -> None:
    for ax in row:
        picture(ax, sheet, box=None if ax is row[0] else box)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    if box != whole(sheet):
        frame(row[0], box)
    for r, mask in enumerate(sheet.labels):
        # each line is thinner than the one below it, so that lines that coincide are all seen
        outline(row[1], mask, _looks(sheet)[r], 1.0 + 0.6 * (len(sheet.labels) - 1 - r), shadow=r == 0)
    share: NDArray = sheet.labels.mean(axis=0)
    for part, colour in zip((share == 1, (share > 0) & (share < 1)), RANGE.values(), strict=True):
        painted(row[2], part, colour)
    low, high = (_amount(volume) for volume in spread.interval)
    small_title(row[1], f"pairwise Dice {spread.mean_dice:.2f}\n{volumes(spread)}")
    small_title(row[2], f"{low} to {high} {spread.unit}\nrange / mean volume {spread.relative_range:.2f}")


def _looks(sheet: Sheet) -> Sequence[Line]:
    return ON_COLOUR if sheet.colour else CONTOURS


def _legend(sheets: Sequence[Sheet]) -> dict[str, Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    looks = _looks(sheets[0])[: max(len(sheet.labels) for sheet in sheets)]
    raters = [
        Line2D([], [], color=c, ls=line, lw=2.2, label=f"rater {r + 1}") for r, (c, line) in enumerate(looks)
    ]
    parts = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in RANGE.items()]
    return in_rows(raters, parts)


def _amount(volume: float) -> str:
    """As few digits as tell volumes apart."""
    if volume < 1000:
        return f"{volume:.3g}"
    return f"{volume:.0f}" if volume < 10_000 else short(volume)
