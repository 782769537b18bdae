"""Edge detection [3]: follow steep changes of grey value and close them to contours (survey 0)."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from medseg_lab.classical.grey_values import Classical, Grey

BEYOND = 2
"""Pixels by which a slice is continued: scikit-image finds no edge at the border, and regions leak there."""


class CannyEdges(Classical):
    """Regions are what edges leave connected; each is named by its mean grey value.

    Canny's detector, one of those that [3] compares, smooths the image, takes the gradient, and keeps the
    pixels where it is largest across the edge. Of these stay those above `strong`, and those above `weak`
    that are connected to them. Contours have gaps. They are closed: what lies in a gap of up to twice
    `closing` pixels becomes edge, too. Then the connected regions between the edges are filled, each with the
    class whose grey value is nearest to the region's mean. Edge pixels go to the region that is nearest in
    place. Where a contour has a larger gap, the inside leaks out: both are one region, and have one class.

    The edges of a volume are found slice by slice. Notes `edge`, the share of pixels on edges, and `regions`,
    their number in a slice.

    The thresholds were chosen on validation cases, of .8 and .9, and .6 and .8: mean Dice .031 and .079 on
    msd-hippocampus, .382 and .477 on virtual-brain, .751 and .771 on dsb2018-nuclei+apart.

    Args:
        smoothing: as for all; it is the scale of the edges that are found, too.
        weak, strong: the two thresholds on the gradient, as shares of the pixels of a slice that lie below.
        closing: pixels by which edges are grown, and then shrunk again; 0 leaves contours as they are.
    """

    weak: Annotated[float, Field(ge=0, le=1)] = 0.6
    strong: Annotated[float, Field(ge=0, le=1)] = 0.8
    closing: Annotated[int, Field(ge=0)] = 1

    def build(self) -> None:
        """Thresholds in order."""
        if self.weak > self.strong:
            raise ValueError(f"CannyEdges: weak: expected at most strong ({self.strong}), got {self.weak}")
        super().build()

    def segmented(self, image: Grey) -> NDArray[np.int64]:
        """The classes `(*S)` of a whole case, slice by slice."""
        from skimage.feature import canny

        axis, flat = self.task.slice_axis % 3, image.ndim == 2
        planes, found, edges, regions = (image[None] if flat else np.moveaxis(image, axis, 0)), [], [], []
        for plane in planes:
            wide = np.pad(plane, BEYOND + self.closing, mode="edge")
            edge = canny(wide, self.smoothing, self.weak, self.strong, use_quantiles=True, mode="nearest")
            inside = slice(BEYOND + self.closing, -BEYOND - self.closing)
            edge = closed(edge, self.closing)[inside, inside]
            region = regions_between(edge)
            found.append(self.named(region, plane)[region])
            edges.append(edge.mean())
            regions.append(region.max() + 1)
        self.note_case(edge=float(np.mean(edges)), regions=float(np.mean(regions)))
        return found[0] if flat else np.moveaxis(np.stack(found), 0, axis)


def closed(edge: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Edges `(H, W)`, grown by `reach` pixels and shrunk again: gaps of up to twice as many are closed."""
    if reach == 0:
        return edge
    size, inside = 2 * reach + 1, slice(reach, -reach)
    padded = np.pad(edge, reach)
    found: NDArray[np.bool_] = ndimage.binary_closing(padded, np.ones((size, size)))[inside, inside]
    return found


def regions_between(edge: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The number of the region of each pixel, from 0 on; `(H, W)`.

    Pixels that are no edge belong together where they share a side; a pixel of an edge belongs to the nearest
    region. If all is edge, all is one region.
    """
    regions, several = ndimage.label(~edge)
    if several == 0:
        return np.zeros(edge.shape, dtype=np.intp)
    nearest = ndimage.distance_transform_edt(edge, return_distances=False, return_indices=True)
    found: NDArray[np.intp] = regions[tuple(nearest)].astype(np.intp) - 1
    return found
