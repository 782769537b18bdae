"""One case as a contact sheet shows it: a cut through what is marked, in grey or in colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE
from medseg_lab.data.readers.reader import Raw
from medseg_lab.show.contours import cut_slice, square_box

SMALL_SHARE = 0.5
"""Where what is marked reaches over less of the image's edges than this, it is shown from near, too."""

LARGE, NEAR = 500, 240
"""An image with a longer edge has too much detail for a small picture; the edge of what is then cut out."""

Box = tuple[slice, slice]


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
    def marked(self) -> NDArray:
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
    index = middle(raw.labels, axis) if raw.image.ndim == 4 else 0
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


def is_marked(labels: NDArray) -> NDArray[np.bool_]:
    """Where labels name a class other than the background; what was left open names none."""
    return (labels > 0) & (labels != IGNORE)


def middle(labels: NDArray, axis: int) -> int:
    """The middle one of the slices on which anything is marked; of the volume, where nothing is."""
    marked = np.moveaxis(is_marked(labels), axis + 1, 0).reshape(labels.shape[axis + 1], -1)
    found = np.flatnonzero(marked.any(axis=1))
    return int(found[len(found) // 2]) if len(found) else labels.shape[axis + 1] // 2


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
        return _fullest((sheet.labels != sheet.labels[0]).any(axis=0), max(shape) // 3)
    return _fullest(marked, NEAR) if max(shape) > LARGE else None


def _fullest(marked: NDArray, edge: int) -> Box:
    """The square of so many pixels that holds most of what is marked."""
    from scipy.ndimage import uniform_filter

    density = uniform_filter(marked.astype(np.float32), edge, mode="constant")
    centre = np.unravel_index(int(density.argmax()), density.shape)
    rows, columns = (
        int(np.clip(c - edge // 2, 0, max(0, n - edge))) for c, n in zip(centre, marked.shape, strict=True)
    )
    return slice(rows, rows + edge), slice(columns, columns + edge)


def whole(sheet: Sheet) -> Box:
    """All of the picture."""
    return slice(0, sheet.image.shape[1]), slice(0, sheet.image.shape[2])
