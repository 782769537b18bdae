"""A dozen cases of a data set at a glance, with what was marked on them.

Cases are evenly spread over the sorted names, so that nobody picked the beautiful ones. A volume is cut
through the middle of what is marked. Where marks are small in the image, or the image is large, each case
is shown twice: whole, and below it the framed part from near.
"""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.reader import Reader
from medseg_lab.show.contours import CONTOURS, Box, Line, line_handles, outline, painted, small_title
from medseg_lab.show.names import fitted
from medseg_lab.show.sheet import (
    WIDTH,
    Sheet,
    close_up,
    frame,
    is_colour,
    look_at,
    picture,
    tight,
    whole,
)
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MOST, MOST_CONTRASTS = 4, 12, 4

ON_COLOUR: tuple[Line, ...] = (
    *(CONTOURS[0], ("#000000", CONTOURS[1][1])),
    *(CONTOURS[3], ("#FFFFFF", CONTOURS[2][1])),
)
"""Outlines on a photograph of the retina, where orange and green would be lost."""


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
    boxes = _close_ups(sheets, card.raters > 1 and len(card.classes) > 2)
    virtual = "; VIRTUAL subjects, no real data" if card.virtual is not None else ""
    some = f" of {len(names)} cases, evenly spread over their names" if len(chosen) < len(names) else " cases"
    title = f"{card.id}: {len(chosen)}{some}{virtual}"
    with house():
        fig = _draw(card, sheets, boxes, contrasts)
        fig.suptitle(title, fontsize=10, x=0.01, ha="left")
        fig.set_label(_alt_text(card, chosen, len(names), bool(boxes)))
    return fig


def evenly(names: Sequence[str], most: int) -> list[str]:
    """At most `most` of the names, evenly spread over their sorted order, first and last included."""
    ordered = sorted(names)
    places = np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)
    return [ordered[i] for i in places]


def _close_ups(sheets: Sequence[Sheet], crowded: bool) -> list[Box]:
    """Of every case the part to show from near, if half of them or more have one; else none."""
    found = [close_up(sheet, crowded) for sheet in sheets]
    if 2 * sum(box is not None for box in found) < len(sheets):
        return []
    return [box or whole(sheet) for box, sheet in zip(found, sheets, strict=True)]


def _alt_text(card: Card, chosen: Sequence[str], total: int, near: bool) -> str:
    how = "outlines of"
    if card.annotation != "dense":
        how = f"marks of the {card.annotation}s for"
    elif card.raters > 1:
        how = f"outlines by {card.raters} raters of"
    kind = "virtual subjects" if card.virtual is not None else "cases"
    below = " Below each image, its framed part from near." if near else ""
    ids = ", ".join(fitted(chosen, 40, 1))
    said = f"{len(chosen)} of {total} {kind} of {card.base} with {how} {', '.join(card.classes[1:])}."
    return f"{said}{below} Shown: {ids}."


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
    for i, (sheet, name) in enumerate(
        zip(sheets, fitted([sheet.id for sheet in sheets], 20, after="_"), strict=True)
    ):
        block, column = divmod(i, columns)
        own = grid[block * len(heights) : (block + 1) * len(heights), column]
        small_title(own[0], name)
        own[0].title.set_fontsize(7.5)
        for channel in range(plain):
            picture(own[channel], sheet, channel)
        if boxes:
            frame(own[0], boxes[i])
        picture(own[-1], sheet, box=boxes[i] if boxes else None)
        _mark(own[-1], sheet, card)
        if contrasts > 1 and column == 0:
            for ax, channel_name in zip(own, [*card.modality, f"{card.modality[0]}, marked"], strict=True):
                ground = {"facecolor": "black", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
                at = {"transform": ax.transAxes, "zorder": 10}  # above the outlines
                ax.text(0.02, 0.02, fill(channel_name, 20), color="white", fontsize=7, bbox=ground, **at)
    fig.legend(handles=_handles(card), loc="outside lower center", ncols=4)
    tight(fig)
    return fig


def _heights(sheets: Sequence[Sheet], boxes: Sequence[Box], plain: int) -> list[float]:
    """Heights of a block's rows over the width of a column; beside close-ups the whole is kept small."""
    tallest = max(sheet.ratio() for sheet in sheets)
    last = [sheet.ratio(box) for sheet, box in zip(sheets, boxes, strict=True)] if boxes else [tallest]
    return [*[min(tallest, 1.0 if boxes else 1.5)] * plain, min(1.5, max(last))]


def _mark(ax: Any, sheet: Sheet, card: Card) -> None:
    """What was marked: filled scribbles, outlines of raters, or outlines of classes."""
    if card.annotation != "dense":
        for k in range(len(card.classes)):
            painted(ax, sheet.labels[0] == k, _fill_colour(k), 0.85)
        return
    looks, several = ON_COLOUR if is_colour(card) else CONTOURS, card.raters > 1
    for r, reading in enumerate(sheet.labels):
        # Lines that coincide are seen all the same: each is thinner than the one below it.
        width = 0.9 + 0.5 * (len(sheet.labels) - 1 - r) if several else 1.1
        for k in range(1, len(card.classes)):
            look = looks[(r if several else k - 1) % len(looks)]
            outline(ax, reading == k, look, width, shadow=r == 0)


def _handles(card: Card) -> list[Any]:
    """Legend entries: of the classes, of the raters where there are several, or of filled marks."""
    from matplotlib.patches import Patch

    if card.annotation != "dense":
        return [Patch(color=_fill_colour(k), label=name) for k, name in enumerate(card.classes)]
    names = [f"rater {r + 1}" for r in range(card.raters)] if card.raters > 1 else card.classes[1:]
    return line_handles(names, ON_COLOUR if is_colour(card) else CONTOURS)


def _fill_colour(k: int) -> str:
    return "#999999" if k == 0 else CONTOURS[(k - 1) % len(CONTOURS)][0]
