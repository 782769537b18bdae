"""Region growing [5]: from seeds, as long as neighbours have similar grey values (survey 0)."""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from medseg_lab.classical.grey_values import Classical, Grey
from medseg_lab.data.instances import instances

SMALLEST = 10
"""Structures with fewer voxels are not clicked."""


class RegionGrowing(Classical):
    """All regions grow at once, voxel by voxel, and a voxel belongs to the one that reaches it first.

    A region grows from a voxel to its neighbour (across a face) if the two differ by less than `tolerance`
    [5], and only over voxels whose grey value is within `reach` of that of the region's class. A step takes
    one unit of time, and up to two the more the voxels differ. So regions that meet do not overwrite one
    another, and their order does not matter. What no region reaches is background.

    Automatic seeds are typical of their class in grey value, and lie all over the image. A person looks where
    an organ is. "clicks" give the method that knowledge: one seed in the middle of each structure of the
    reference, the voxel furthest from its border. No network has this advantage. The grey value of a class
    is then that of its clicks (the median of the smoothed image there), and the background, which nobody
    clicks, does not grow. An image without a reference gets no clicks, and is background.

    Notes `reached`, the share of the voxels that some region reached, and `seeds`, their number.

    Tolerance and reach were chosen on validation cases of three data sets (5, 10 and 10), among tolerances of
    .3, .6 and 1 and reaches of .5, 1, 2 and none, not as a full grid: mean Dice .551 on virtual-brain, .119
    on msd-hippocampus and .491 on dsb2018-nuclei, and with clicks .373, .212 and .609. In the mean of the
    three no other setting is better by more than .01.

    Args:
        tolerance: the smallest difference over which nothing grows, in standard deviations of the grey values
            of the class in the labelled images.
        reach: likewise; None for no limit, so that a region may change its grey value slowly.
        seeds: "typical" or "clicks".
        share: of the voxels with the nearest grey value, those that are "typical" of a class.
    """

    tolerance: Annotated[float, Field(gt=0)] = 0.6
    reach: Annotated[float, Field(gt=0)] | None = 1.0
    seeds: Literal["typical", "clicks"] = "typical"
    share: Annotated[float, Field(gt=0, le=1)] = 0.1

    def build(self) -> None:
        """No clicks yet."""
        super().build()
        self.clicked: dict[int, NDArray[np.intp]] = {}

    def take_reference(self, reference: Tensor) -> None:
        """Click into the structures of the case that is predicted next, `(*S)`, if clicks are asked for."""
        if self.seeds == "clicks":
            self.clicked = clicks(reference.numpy(force=True))

    def segmented(self, image: Grey) -> NDArray[np.int64]:
        """The classes `(*S)` of a whole case."""
        smooth = self.smoothed(image)
        grey, spread = self.in_channel
        clicked, self.clicked = self.clicked, {}  # those of one case are not for the next
        seeds = self.typical(smooth) if self.seeds == "typical" else clicked
        if self.seeds == "clicks":
            for k, places in seeds.items():
                grey[k] = np.median(smooth.flat[places])
        tolerance = {k: self.tolerance * spread[k] for k in seeds}
        limits = {k: abs(smooth - grey[k]) < self.reach * spread[k] for k in seeds if self.reach}
        found, reached = grown(smooth, seeds, tolerance, limits)
        self.note_case(reached=reached, seeds=sum(map(len, seeds.values())))
        return found

    def typical(self, smooth: Grey) -> dict[int, NDArray[np.intp]]:
        """The automatic seeds of each class, background included, as indices into the flat image."""
        grey, _ = self.in_channel
        nearest, found = self.nearest(torch.from_numpy(smooth)).numpy(force=True), {}
        for k in np.unique(nearest):
            of_class = np.flatnonzero(nearest == k)
            apart = np.abs(smooth.flat[of_class] - grey[k])
            found[int(k)] = of_class[apart <= np.quantile(apart, self.share)]
        return found


def grown(
    image: Grey,
    seeds: Mapping[int, NDArray[np.intp]],
    tolerance: Mapping[int, float],
    limits: Mapping[int, NDArray[np.bool_]] | None = None,
) -> tuple[NDArray[np.int64], float]:
    """Regions of several classes that grow at once.

    The time at which a class arrives is the shortest way from any of its seeds (Dijkstra), where a step
    between neighbours that differ by d takes 1 + d / `tolerance`, and is not possible where d is not below
    `tolerance`. Of classes that arrive together the lower one is first.

    Args:
        image: `(*S)`.
        seeds: by class, indices into the flat image.
        tolerance: by class, in units of the image.
        limits: by class, over which voxels `(*S)` it may grow at all; a class that is left out, over all.
            Seeds count, wherever they are.

    Returns:
        The class of each voxel `(*S)`, 0 where none arrives, and the share of voxels at which one does.
    """
    first, found = np.full(image.size, np.inf), np.zeros(image.size, dtype=np.int64)
    for k in sorted(seeds):
        allowed = np.ones(image.size, dtype=bool)
        if limits and k in limits:
            allowed = limits[k].ravel().copy()
            allowed[seeds[k]] = True
        inside = np.flatnonzero(allowed)
        begin = np.searchsorted(inside, seeds[k])
        if len(begin):
            steps = passable(image, tolerance[k])[inside][:, inside]
            time = dijkstra(steps, directed=False, indices=begin, min_only=True)
            earlier = time < first[inside]
            first[inside[earlier]], found[inside[earlier]] = time[earlier], k
    return found.reshape(image.shape), float(np.isfinite(first).mean())


def passable(image: Grey, tolerance: float) -> sparse.csr_array:
    """The steps between neighbours that a region may take, with their time: a sparse upper triangle."""
    number, values, parts = np.arange(image.size).reshape(image.shape), image.ravel(), []
    for axis, size in enumerate(image.shape):
        low, high = (number.take(range(*ends), axis).ravel() for ends in ((0, size - 1), (1, size)))
        apart = np.abs(values[low] - values[high])
        there = apart < tolerance
        parts.append((1 + apart[there] / tolerance, low[there], high[there]))
    time, low, high = (np.concatenate(each) for each in zip(*parts, strict=True))
    return sparse.csr_array((time, (low, high)), shape=(image.size, image.size))


def clicks(reference: NDArray) -> dict[int, NDArray[np.intp]]:
    """A voxel inside each structure of a reference `(*S)`, by class, as indices into the flat image.

    A structure is a connected part of a class with `SMALLEST` voxels or more; it is clicked where its border
    is furthest away.
    """
    found: dict[int, list[int]] = {}
    objects = instances(reference)
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        inside = objects[box] == number
        if np.count_nonzero(inside) >= SMALLEST:
            depth = ndimage.distance_transform_edt(np.pad(inside, 1))[(slice(1, -1),) * inside.ndim]
            deepest = np.unravel_index(depth.argmax(), depth.shape)
            place = tuple(int(i) + part.start for i, part in zip(deepest, box, strict=True))
            k = int(reference[place])
            found.setdefault(k, []).append(int(np.ravel_multi_index(place, reference.shape)))
    return {k: np.array(sorted(places), dtype=np.intp) for k, places in found.items()}
