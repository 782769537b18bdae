"""Otsu's threshold [4]: cut the histogram where the variance within the classes is smallest (survey 0)."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medseg_lab.classical.grey_values import Classical, Grey

MOST_LEVELS = 5
"""The search tries all sets of thresholds: with more levels it would take minutes."""


class Otsu(Classical):
    """Voxels are told apart by their grey value alone: between which thresholds it lies.

    The thresholds are those, of all possible, for which the variance of grey values within the levels is
    smallest [4]; with more than two levels it is multi-Otsu. They are found anew in the histogram of each
    case, of a volume as a whole, and no label takes part in it. Levels are then named: as many as classes are
    matched in the order of their grey values; of more levels, each has the class whose grey value is nearest
    to its mean. More serve where a class is both dark and bright, as what surrounds an organ mostly is.

    Notes `separability` of each case, by which Otsu judges a threshold: the share of the variance that lies
    between the levels.

    Args:
        levels: of grey, 2 to 5; None for as many as classes.
        bins: of the histogram, from the darkest to the brightest voxel.
    """

    levels: Annotated[int, Field(ge=2, le=MOST_LEVELS)] | None = None
    bins: Annotated[int, Field(ge=8, le=256)] = 128

    def segmented(self, image: Grey) -> NDArray[np.int64]:
        """The classes `(*S)` of a whole case by its thresholds."""
        smooth = self.smoothed(image)
        known = self.known.numpy(force=True)
        thresholds = otsu_thresholds(smooth, self.levels or min(MOST_LEVELS, known.sum()), self.bins)
        level = np.digitize(smooth, thresholds)
        self.note_case(separability=separability(smooth, level))
        if len(thresholds) + 1 == known.sum():
            grey = self.grey[:, self.clearest_channel].numpy(force=True)
            by_grey = np.flatnonzero(known)[np.argsort(grey[known])]
            return by_grey[level]
        return self.named(level, smooth)[level]


def otsu_thresholds(image: Grey, levels: int, bins: int = 128) -> Grey:
    """The thresholds with the smallest variance within the levels, in order; fewer for fewer values.

    A value equal to a threshold lies above it (`numpy.digitize`).

    Args:
        image: of any shape.
        levels: two or more; all sets of `levels` - 1 thresholds between the bins are tried.
        bins: of the histogram.
    """
    from skimage.filters import threshold_multiotsu

    counts, edges = np.histogram(image, bins)
    levels = min(levels, int(np.count_nonzero(counts)))
    if levels < 2:
        return np.empty(0)
    # of each threshold scikit-image gives the bin below it, of which we take the upper edge
    last = threshold_multiotsu(classes=levels, hist=(counts, np.arange(bins)))
    return edges[np.asarray(last, dtype=int) + 1]


def separability(image: Grey, level: NDArray) -> float:
    """The variance between levels over the whole variance, 0 to 1; 0 for a constant image."""
    sizes = np.bincount(level.ravel())
    means = np.bincount(level.ravel(), image.ravel()) / np.maximum(sizes, 1)
    between = np.average((means - image.mean()) ** 2, weights=sizes)
    return float(between / image.var()) if image.var() > 0 else 0.0
