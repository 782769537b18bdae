"""What a contact sheet draws on one panel: the image, a frame, and what was marked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.card import Card
from medseg_lab.show.contours import CONTOURS
from medseg_lab.show.sheet import Box, Sheet, is_colour, whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Look = tuple[str, Any]

ON_COLOUR = (CONTOURS[0], ("#000000", CONTOURS[1][1]), CONTOURS[3], ("#FFFFFF", CONTOURS[2][1]))


def tight(fig: "Figure") -> None:
    """Pictures close to one another."""
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)


def frame(ax: Any, box: Box) -> None:
    """A thin frame around a part."""
    from matplotlib.patches import Rectangle

    rows, columns = box
    corner = columns.start - 0.5, rows.start - 0.5
    edges = columns.stop - columns.start, rows.stop - rows.start
    ax.add_patch(Rectangle(corner, *edges, fill=False, edgecolor="#F0E442", linewidth=0.9))


def picture(ax: Any, sheet: Sheet, channel: int = 0, box: Box | None = None) -> None:
    """The image without its marks, or a part: a photograph in colour, else one channel in grey."""
    image = np.moveaxis(sheet.image, 0, -1) if sheet.colour else sheet.image[channel]
    ax.imshow(image, vmin=0, vmax=1, aspect=sheet.aspect, cmap="gray")
    rows, columns = box or whole(sheet)
    ax.set(xlim=(columns.start - 0.5, columns.stop - 0.5), ylim=(rows.stop - 0.5, rows.start - 0.5))


def mark(ax: Any, sheet: Sheet, card: Card) -> None:
    """What was marked: filled scribbles, outlines of raters, or outlines of classes."""
    if card.annotation != "dense":
        _fill(ax, sheet.labels[0], card)
        return
    several = card.raters > 1
    for r, reading in enumerate(sheet.labels):
        # Lines that coincide are seen all the same: each is thinner than the one below it.
        width = 0.9 + 0.5 * (len(sheet.labels) - 1 - r) if several else 1.1
        for k in range(1, len(card.classes)):
            look = looks(card)[(r if several else k - 1) % len(CONTOURS)]
            outline(ax, reading == k, look, width, shadow=r == 0)


def looks(card: Card) -> Sequence[Look]:
    """Colours and lines of outlines; on a photograph of the retina, orange and green would be lost."""
    return ON_COLOUR if is_colour(card) else CONTOURS


def outline(ax: Any, mask: NDArray, look: Look, width: float, shadow: bool) -> None:
    """The border of a mask; a shadow sets it off the image."""
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.transforms import Affine2D

    if not mask.any():
        return
    colour, line = look
    lines = ax.contour(np.pad(mask, 1), [0.5], colors=[colour], linestyles=[line], linewidths=width)
    if shadow:
        lines.set_path_effects([Stroke(linewidth=width + 0.6, foreground="black", alpha=0.5), Normal()])
    lines.set_transform(Affine2D().translate(-1, -1) + ax.transData)


def sheet_handles(card: Card) -> list[Any]:
    """Legend entries: of the classes, of the raters where there are several, or of filled marks."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if card.annotation != "dense":
        return [Patch(color=_fill_colour(k), label=name) for k, name in enumerate(card.classes)]
    names: Sequence[str] = card.classes[1:]
    if card.raters > 1:
        names = [f"rater {r + 1}" for r in range(card.raters)]
    drawn = [looks(card)[i % len(CONTOURS)] for i in range(len(names))]
    return [
        Line2D([], [], color=colour, ls=line, linewidth=2.2, label=name)
        for name, (colour, line) in zip(names, drawn, strict=True)
    ]


def _fill(ax: Any, reading: NDArray, card: Card) -> None:
    from matplotlib.colors import to_rgba

    filled = np.zeros((*reading.shape, 4))
    for k in range(len(card.classes)):
        filled[reading == k] = to_rgba(_fill_colour(k), 0.85)
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(filled, aspect=ax.get_aspect())
    ax.set(xlim=limits[0], ylim=limits[1])


def _fill_colour(k: int) -> str:
    return "#999999" if k == 0 else CONTOURS[(k - 1) % len(CONTOURS)][0]
