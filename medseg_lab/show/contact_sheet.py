"""A dozen cases of a data set at a glance, with what was marked on them.

Cases are chosen evenly by id, so that nobody picked the beautiful ones. A volume is cut through the middle of
what is marked. Where marks are small in the image, or the image is large, each case is shown twice: whole,
and below it the framed part from near.
"""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.reader import Reader
from medseg_lab.show.contours import small_title
from medseg_lab.show.marks import frame, mark, picture, sheet_handles, tight
from medseg_lab.show.sheet import Box, Sheet, close_up, is_colour, look_at, whole
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MOST, MOST_CONTRASTS = 4, 12, 4
WIDTH = 7.0


def contact_sheet(card: Card, reader: Reader, most: int = MOST) -> "Figure":
    """The figure, 7 inches wide, with alt text.

    One reading is drawn as an outline per class; several as an outline per rater, whatever the class.
    Scribbles are drawn as filled marks, and what nobody annotated not at all. Red, green and blue are shown
    in colour; other channels one below the other, for at most four cases.

    Args:
        card: names the channels, classes and raters, and which annotation is drawn.
        reader: of the data set.
        most: cases, at most.

    Raises:
        ValueError: as the reader does, for a file at fault.
    """
    names = list(reader.patients())
    contrasts = 1 if is_colour(card) else len(card.modality)
    chosen = evenly(names, min(most, MOST_CONTRASTS) if contrasts > 1 else most)
    sheets = [look_at(reader.read(name, card.annotation), card) for name in chosen]
    boxes = close_ups(sheets, card.raters > 1 and len(card.classes) > 2)
    with house():
        fig = _draw(card, sheets, boxes, contrasts)
        fig.suptitle(title(card, len(chosen), len(names)), fontsize=10, x=0.01, ha="left")
        fig.set_label(alt_text(card, chosen, len(names), bool(boxes)))
    return fig


def evenly(names: Sequence[str], most: int) -> list[str]:
    """At most `most` of the names, evenly spread over their sorted order, first and last included."""
    ordered = sorted(names)
    places = np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)
    return [ordered[i] for i in places]


def close_ups(sheets: Sequence[Sheet], crowded: bool) -> list[Box]:
    """Of every case the part to show from near, if half of them or more have one; else none."""
    found = [close_up(sheet, crowded) for sheet in sheets]
    if 2 * sum(box is not None for box in found) < len(sheets):
        return []
    return [box or whole(sheet) for box, sheet in zip(found, sheets, strict=True)]


def title(card: Card, shown: int, total: int) -> str:
    """The data set, how many of its cases are shown, and whether they are simulated."""
    kind = "; VIRTUAL subjects, no real data" if card.virtual is not None else ""
    return f"{card.id}: {shown} of {total} cases, evenly by id{kind}"


def alt_text(card: Card, chosen: Sequence[str], total: int, near: bool) -> str:
    """The figure in words."""
    what = ", ".join(card.classes[1:])
    how = "outlines of"
    if card.annotation != "dense":
        how = f"marks of the {card.annotation}s for"
    elif card.raters > 1:
        how = f"outlines by {card.raters} raters of"
    kind = "virtual subjects" if card.virtual is not None else "cases"
    below = " Below each image, its framed part from near." if near else ""
    ids = ", ".join(short(name).replace("\n", "_") for name in chosen)
    return f"{len(chosen)} of {total} {kind} of {card.base} with {how} {what}.{below} Shown: {ids}."


def short(name: str, most: int = 20) -> str:
    """A case's id in at most two short lines."""
    if len(name) <= most:
        return name
    first, _, rest = name.partition("_")
    lines = [first, rest] if rest else [first]
    return "\n".join(line if len(line) <= most else f"{line[: most - 1]}…" for line in lines)


def _draw(card: Card, sheets: Sequence[Sheet], boxes: Sequence[Box], contrasts: int) -> "Figure":
    """A block of rows for every four cases: the channels whole, then the marks, from near in `boxes`."""
    columns = min(COLUMNS, len(sheets))
    blocks = -(-len(sheets) // columns)
    plain = contrasts if contrasts > 1 or boxes else 0
    heights = _heights(sheets, boxes, plain)
    inch = (WIDTH - 0.3) / columns
    fig = canvas(WIDTH, blocks * (inch * sum(heights) + 0.05 * len(heights) + 0.22) + 0.55)
    grid = fig.subplots(blocks * len(heights), columns, squeeze=False, height_ratios=heights * blocks)
    for ax in grid.flat:
        ax.set_axis_off()
        ax.set_anchor("N")
    for i, sheet in enumerate(sheets):
        block, column = divmod(i, columns)
        own = grid[block * len(heights) : (block + 1) * len(heights), column]
        small_title(own[0], short(sheet.id))
        own[0].title.set_fontsize(7.5)
        for channel in range(plain):
            picture(own[channel], sheet, channel)
        if boxes:
            frame(own[0], boxes[i])
        picture(own[-1], sheet, box=boxes[i] if boxes else None)
        mark(own[-1], sheet, card)
        if contrasts > 1 and column == 0:
            for ax, name in zip(own, [*card.modality, f"{card.modality[0]}, marked"], strict=True):
                _name(ax, name)
    fig.legend(handles=sheet_handles(card), loc="outside lower center", ncols=4)
    tight(fig)
    return fig


def _name(ax: Any, name: str) -> None:
    """A channel's name, in the corner of its image."""
    ground = {"facecolor": "black", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    words, above = fill(name, 20), 10  # the outlines
    ax.text(
        *(0.02, 0.02, words), transform=ax.transAxes, color="white", fontsize=7, bbox=ground, zorder=above
    )


def _heights(sheets: Sequence[Sheet], boxes: Sequence[Box], plain: int) -> list[float]:
    """Heights of a block's rows over the width of a column; beside close-ups the whole is kept small."""
    tallest = max(sheet.ratio() for sheet in sheets)
    last = [sheet.ratio(box) for sheet, box in zip(sheets, boxes, strict=True)] if boxes else [tallest]
    rows = [min(tallest, 1.0 if boxes else 1.5)] * plain
    return [*rows, min(1.5, max(last))]
