"""Cross entropy with more weight near every border, by a distance transform (survey 2.2.1; [39])."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.weighted import WeightedCrossEntropy, in_voxels


@dataclass(frozen=True)
class DistanceCrossEntropy(WeightedCrossEntropy):
    """Cross entropy with a weight that falls with the distance to the nearest border:

        w = 1 + w0 exp( -d^2 / (2 sigma^2) )

    d is the distance from a voxel's centre to that of the nearest voxel of another class: 1 on both sides of
    a border, inside objects and outside of them. So each border is emphasised, that of a single object too,
    where `BorderCrossEntropy` knows gaps between two objects alone.

    Ours: the survey says no more than that the weights come from a distance transform. The form is that of
    the U-Net's weights with one distance in place of two, and its w0 and sigma are defaults of ours. A border
    with what nobody annotated (`IGNORE`) is none.

    Args:
        w0: the weight beyond 1 that a voxel would have on the border itself.
        sigma: how far weights reach, in units of the voxel's shortest edge.

    Raises:
        ValueError: for a w0 below 0, or a sigma that is not positive.
    """

    w0: float = 5.0
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if self.w0 < 0 or self.sigma <= 0:
            raise ValueError(f"distance weights: expected a w0 of 0 or more and a sigma above 0, got {self}")

    def weight_map(self, label: NDArray, spacing: tuple[float, ...] | None) -> NDArray[np.float32]:
        """w of each voxel; see the class."""
        distance = to_border(label, in_voxels(spacing, label.ndim))
        return (1 + self.w0 * np.exp(-(distance**2) / (2 * self.sigma**2))).astype(np.float32)


def to_border(label: NDArray, edges: NDArray) -> NDArray:
    """The distance of each voxel of `label` `(*S)` to the nearest one of another class; infinite without one.

    Args:
        edges: of a voxel, in the unit that comes back.
    """
    distance = np.full(label.shape, np.inf)
    for value in np.unique(label):
        other = (label != value) & (label != IGNORE)
        if value != IGNORE and other.any():
            own = label == value
            distance[own] = ndimage.distance_transform_edt(~other, sampling=edges)[own]
    return distance
