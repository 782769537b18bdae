"""Readings of the same image by several raters, and the range between them (section 4.2, figure 20)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.wording import joined
from medseg_lab.show.contours import CONTOURS, cut_slice, pictured, small_title
from medseg_lab.show.cost import short
from medseg_lab.show.marks import ON_COLOUR, Look, frame, outline, picture
from medseg_lab.show.paint import in_rows, painted
from medseg_lab.show.sheet import Box, Sheet, close_up, whole
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
    found = {title: _read(case, classes, slice_axis, channel) for title, case in rows.items()}
    with house():
        width = 6.6 / 3
        heights = [max(one.sheet.ratio(), one.sheet.ratio(one.box)) for one in found.values()]
        fig = canvas(7.0, 1.0 + sum(width * height + 0.45 for height in heights))
        panels = fig.subplots(len(found), 3, squeeze=False, height_ratios=heights)
        for (title, one), row in zip(found.items(), panels, strict=True):
            _draw(row, one)
            row[0].set_ylabel(f"{title}\n{one.sheet.id}", fontsize=9)
        for ax, heading in zip(panels[0], ["image", f"outlines of {name}", "variability range"], strict=True):
            small_title(ax, f"{heading}\n{ax.get_title('center')}")
        fig.legend(**_legend(list(found.values())), loc="outside lower center", columnspacing=1.2)
        fig.set_label(alt_text({title: one.spread for title, one in found.items()}, rows, name))
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
        raise ValueError(f"cases: got {len(cases)}, none of which is marked, wanted one or more that are")
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


@dataclass(frozen=True)
class _Row:
    """One case, made ready: its picture with the readings as masks, the part shown from near, the numbers."""

    sheet: Sheet
    box: Box
    spread: Variability


def _checked(rows: Mapping[str, Case], task: Task, marked: int | Collection[int]) -> list[int]:
    if not rows:
        raise ValueError("cases: got none, wanted one or more")
    for case in rows.values():
        if not 2 <= len(case.labels) <= MOST:
            raise ValueError(f"raters: got {len(case.labels)} of {case.id}, wanted 2 to {MOST}")
    classes = [marked] if isinstance(marked, int) else sorted(marked)
    if not classes or not all(0 <= k < len(task.classes) for k in classes):
        raise ValueError(f"marked: got {marked}, wanted classes from 0 to {len(task.classes) - 1}")
    return classes


def _read(case: Case, classes: list[int], axis: int, channel: int | None) -> _Row:
    spread = variability(case.labels, classes, case.spacing)
    masks = spread.masks.cpu().numpy()
    index = 0
    if masks.ndim == 4:
        axis %= 3
        index = int(np.moveaxis(spread.possible.cpu().numpy(), axis, 0).sum(axis=(1, 2)).argmax())
    image = pictured(case, channel)
    cut = cut_slice(image, {str(r): mask for r, mask in enumerate(masks)}, case.spacing, axis, index)
    colour = cut.image.ndim == 3
    low, high = (0.0, 1.0) if colour else cut.window
    grey = np.clip((cut.image - low) / (high - low), 0, 1)
    sheet = Sheet(
        case.id,
        np.moveaxis(grey, -1, 0) if colour else grey[None],
        np.stack(list(cut.labels.values())),
        cut.aspect,
        colour,
    )
    return _Row(sheet, close_up(sheet, crowded=True) or whole(sheet), spread)


def _draw(row: Sequence[Any], one: _Row) -> None:
    sheet, masks = one.sheet, one.sheet.labels
    looks = _looks(sheet.colour)
    for ax in row:
        picture(ax, sheet, box=None if ax is row[0] else one.box)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    if one.box != whole(sheet):
        frame(row[0], one.box)
    for r, mask in enumerate(masks):
        # Lines that coincide are seen all the same: each is thinner than the one below it.
        outline(row[1], mask, looks[r], 1.0 + 0.6 * (len(masks) - 1 - r), shadow=r == 0)
    share: NDArray = masks.mean(axis=0)
    for part, colour in zip((share == 1, (share > 0) & (share < 1)), RANGE.values(), strict=True):
        painted(row[2], part, colour)
    low, high = (_amount(volume) for volume in one.spread.interval)
    small_title(row[1], f"pairwise Dice {one.spread.mean_dice:.2f}\n{volumes(one.spread)}")
    small_title(
        row[2],
        f"{low} to {high} {one.spread.unit}\nrange / mean volume {one.spread.relative_range:.2f}",
    )


def _looks(colour: bool) -> Sequence[Look]:
    return ON_COLOUR if colour else CONTOURS


def _legend(found: Sequence[_Row]) -> dict[str, Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    looks = _looks(found[0].sheet.colour)[: max(len(one.sheet.labels) for one in found)]
    raters = [
        Line2D([], [], color=colour, ls=line, linewidth=2.2, label=f"rater {r + 1}")
        for r, (colour, line) in enumerate(looks)
    ]
    parts = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in RANGE.items()]
    return in_rows(raters, parts)


def _amount(volume: float) -> str:
    """As few digits as tell volumes apart."""
    if volume < 1000:
        return f"{volume:.3g}"
    return f"{volume:.0f}" if volume < 10_000 else short(volume)
