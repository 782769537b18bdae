"""One case at a glance: a cut through what is marked, in grey or in colour, and rows of such pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.card import Card
from medseg_lab.data.readers.reader import Raw
from medseg_lab.show.contours import (
    Box,
    bare,
    centred,
    cut_slice,
    is_marked,
    middle,
    small_title,
    square_box,
)
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL_SHARE = 0.5
"""Where what is marked reaches over less of the image's edges than this, it is shown from near, too."""

LARGE, NEAR = 500, 240
"""An image with a longer edge has too much detail for a small picture; the edge of what is then cut out."""

WIDTH = 7.0


@dataclass(frozen=True)
class Sheet:
    """A picture and its readings.

    Args:
        id: of the case.
        image: `(C, H, W)`, each channel from 0 (black) to 1 (white), as it stands on the page.
        labels: `(R, H, W)`.
        aspect: the height of a pixel over its width.
        colour: whether the channels are red, green and blue.
    """

    id: str
    image: NDArray
    labels: NDArray
    aspect: float
    colour: bool = False

    @property
    def marked(self) -> NDArray[np.bool_]:
        """Where any rater marked any class, `(H, W)`."""
        return np.asarray(is_marked(self.labels).any(axis=0))

    def ratio(self, box: Box | None = None) -> float:
        """Height over width on the page, of the whole or of a box."""
        height, width = (self.image[:, *box] if box else self.image).shape[1:]
        return height * self.aspect / width


def look_at(raw: Raw, card: Card) -> Sheet:
    """The cut of a case through the middle of what is marked, across the card's slice axis.

    Intensities from the 1st to the 99.5th percentile of the case go from black to white, channel by channel;
    a photograph keeps its own.
    """
    axis = card.preprocessing.slice_axis
    index = middle(np.any(is_marked(raw.labels), axis=0), axis) if raw.image.ndim == 4 else 0
    labels = {str(r): reading for r, reading in enumerate(raw.labels)}
    cuts = [cut_slice(channel, labels, raw.spacing, axis, index) for channel in raw.image]
    colour = is_colour(card)
    windows = [(0.0, 255.0) if colour else cut.window for cut in cuts]
    image = np.stack(
        [(cut.image - low) / (high - low) for cut, (low, high) in zip(cuts, windows, strict=True)]
    )
    readings = np.stack(list(cuts[0].labels.values()))
    return Sheet(raw.id, np.clip(image, 0, 1), readings, cuts[0].aspect, colour)


def is_colour(card: Card) -> bool:
    """Whether the channels are those of a colour photograph."""
    return card.modality == ("red", "green", "blue")


def close_up(sheet: Sheet, crowded: bool = False) -> Box | None:
    """The part to show from near, or None where the whole shows enough.

    Around what is marked, where that is small; of a large image, where most is marked; and of a `crowded`
    one, on which many outlines run side by side, the third in which the readings differ most.
    """
    marked, shape = sheet.marked, sheet.image.shape[1:]
    if not marked.any():
        return None
    box = square_box(marked, [sheet.aspect, 1.0])
    if max((part.stop - part.start) / edge for part, edge in zip(box, shape, strict=True)) <= SMALL_SHARE:
        return box
    if crowded:
        return densest(np.any(sheet.labels != sheet.labels[0], axis=0), max(shape) // 3)
    return densest(marked, NEAR) if max(shape) > LARGE else None


def densest(mask: NDArray[np.bool_], edge: int) -> Box:
    """The square of so many pixels that holds most of a mask."""
    from scipy.ndimage import uniform_filter

    density = uniform_filter(mask.astype(np.float32), edge, mode="constant")
    centre = np.unravel_index(int(density.argmax()), density.shape)
    rows, columns = (centred(int(c), int(c) + 1, edge, n) for c, n in zip(centre, mask.shape, strict=True))
    return rows, columns


def whole(sheet: Sheet) -> Box:
    """All of the picture."""
    return slice(0, sheet.image.shape[1]), slice(0, sheet.image.shape[2])


def picture(ax: Any, sheet: Sheet, channel: int = 0, box: Box | None = None) -> None:
    """The image without its marks, or a part: a photograph in colour, else one channel in grey."""
    image = np.moveaxis(sheet.image, 0, -1) if sheet.colour else sheet.image[channel]
    ax.imshow(image, vmin=0, vmax=1, aspect=sheet.aspect, cmap="gray")
    rows, columns = box or whole(sheet)
    ax.set(xlim=(columns.start - 0.5, columns.stop - 0.5), ylim=(rows.stop - 0.5, rows.start - 0.5))


def frame(ax: Any, box: Box) -> None:
    """A thin frame around a part."""
    from matplotlib.patches import Rectangle

    rows, columns = box
    corner = columns.start - 0.5, rows.start - 0.5
    edges = columns.stop - columns.start, rows.stop - rows.start
    ax.add_patch(Rectangle(corner, *edges, fill=False, edgecolor="#F0E442", linewidth=0.9))


def tight(fig: "Figure") -> None:
    """Pictures close to one another."""
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)


def beside(rows: Mapping[str, Sequence[Sheet]], alt: str, names: Sequence[str] = ()) -> "Figure":
    """A row of images for each origin, without marks; 7 inches wide.

    Args:
        rows: by what is written at the left, as many images in each; every image keeps its own grey scale.
        alt: what is to be seen, in words.
        names: titles of the columns, if they have some.

    Raises:
        ValueError: unless all rows have the same number of images, at least one.
    """
    numbers = {len(sheets) for sheets in rows.values()}
    if len(numbers) != 1 or numbers == {0}:
        raise ValueError(f"rows: expected as many images in each row, at least one, got {sorted(numbers)}")
    columns = numbers.pop()
    with house():
        heights = [max(sheet.ratio() for sheet in sheets) for sheets in rows.values()]
        fig = canvas(WIDTH, (WIDTH - 0.4) / columns * sum(heights) + 0.08 * len(rows) + 0.3)
        grid = fig.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        for (name, sheets), axes in zip(rows.items(), grid, strict=True):
            for ax, sheet in zip(axes, sheets, strict=True):
                picture(ax, sheet)
                bare(ax)
            axes[0].set_ylabel(name, fontsize=8.5)
        for ax, name in zip(grid[0], names, strict=False):
            small_title(ax, name)
        tight(fig)
        fig.set_label(alt)
    return fig
