"""The part of a case that is shown: one slice, and a window in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.show.contours import (
    Box,
    Cut,
    centred,
    cut_slice,
    is_marked,
    per_slice,
    pictured,
    square_box,
)


@dataclass(frozen=True)
class Spot:
    """A window of a slice.

    Args:
        axis: across which the volume is cut; None for a case of two dimensions.
        index: of the slice.
        box: the window, along the axes that are left.
    """

    axis: int | None
    index: int
    box: Box

    def image(self, case: Case) -> Tensor:
        """What a learner of slices sees there, `(1, C, H, W)`."""
        flat = case.image if self.axis is None else case.image.select(self.axis + 1, self.index)
        return flat[(slice(None), *self.box)][None]

    def of(self, volume: NDArray) -> NDArray:
        """The same place of an array with the axes of the case, `(H, W)`."""
        return (volume if self.axis is None else volume.take(self.index, self.axis))[self.box]

    def cut(self, case: Case, maps: Mapping[str, NDArray], channel: int | None = None) -> Cut:
        """The image and the `maps` (H, W) of this place, upright as all pictures of slices are."""
        image = self.of(pictured(case, channel))
        if self.axis is None:
            return cut_slice(image, maps, case.spacing, 0, 0)
        thick = {name: np.expand_dims(found, self.axis) for name, found in maps.items()}
        return cut_slice(np.expand_dims(image, self.axis), thick, case.spacing, self.axis, 0)


def fullest(case: Case, slice_axis: int, least: Sequence[int] = ()) -> Spot:
    """The slice on which the reference marks most, and a square window around what it marks there.

    Args:
        case: with a reference label.
        slice_axis: across which a volume is cut.
        least: pixels of the window along both axes, at least, where the image has so many; a learner's patch.
            One of three axes says nothing of a slice, and is left out.

    Raises:
        ValueError: for a case without a label.
    """
    if not len(case.labels):
        raise ValueError(f"case {case.id}: expected a reference label, got none")
    known: NDArray = marked(case)
    axis = slice_axis % 3 if known.ndim == 3 else None
    index = 0
    if axis is not None:
        index = int(per_slice(known, axis).argmax())
        known = known.take(index, axis)
    spacing = [s for a, s in enumerate(case.spacing or [1.0] * case.label.ndim) if a != axis]
    box = square_box(known, spacing) if known.any() else (slice(0, n) for n in known.shape)
    rows, columns = (
        centred(side.start, side.stop, max(want, side.stop - side.start), size)
        for side, size, want in zip(box, known.shape, least if len(least) == 2 else (0, 0), strict=True)
    )
    return Spot(axis, index, (rows, columns))


def slab(case: Case, slice_axis: int, slices: int) -> Case:
    """A few slices of a case, about the one on which the reference marks most; a case of 2D as it is.

    Args:
        case: with a reference label.
        slice_axis: across which a volume is cut.
        slices: how many, where the volume has so many.
    """
    place = fullest(case, slice_axis)
    if place.axis is None:
        return case
    part = centred(place.index, place.index + 1, slices, case.label.shape[place.axis])
    image, labels = (
        x.narrow(place.axis + 1, part.start, part.stop - part.start) for x in (case.image, case.labels)
    )
    return Case(case.id, case.patient, image, labels, case.spacing)


def marked(case: Case) -> NDArray[np.bool_]:
    """Where the reference marks any class, `(*S)`."""
    return is_marked(case.label.cpu().numpy())
