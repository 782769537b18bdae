"""Cross entropy with more weight where two objects almost touch (survey 2.2.1; U-Net [14])."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import IGNORE
from medseg_lab.data.instances import instances
from medseg_lab.losses.weighted import WeightedCrossEntropy, in_voxels

REACH = 7.0
"""In sigmas: further from an object its exponential is below a float32's last digit."""


@dataclass(frozen=True)
class BorderCrossEntropy(WeightedCrossEntropy):
    """Cross entropy with the weight map of the U-Net's authors:

        w = w_c + w0 exp( -(d1 + d2)^2 / (2 sigma^2) )

    d1 and d2 are the distances of a background voxel to the nearest and to the second nearest object. So what
    is emphasised is a narrow gap between two objects, where a wrong voxel joins them. Near a single object
    the map is flat: the survey's reading, more weight near any border, is `DistanceCrossEntropy`.

    Objects are the connected components of each class (`data.instances`): where touching nuclei were drawn
    without a gap they are one object, and there is nothing to emphasise between them. The authors' labels
    have a gap (as in the data set `dsb2018-nuclei+apart`).

    Ours: distances are those between voxel centres, in units of the voxel's shortest edge, which for square
    pixels are the authors' pixels. The second term is 0 inside of objects, as in their figure 3d. w_c is 1 by
    default, so that a comparison with cross entropy is about gaps alone; they balance the classes by it, and
    do not say how.

    Args:
        w0: the weight that the narrowest gap would have beyond w_c.
        sigma: how wide gaps may be, in shortest edges.
        class_weights: w_c for each of the K classes, the background first; none for 1.

    Raises:
        ValueError: for a weight below 0, or a sigma that is not positive.
    """

    w0: float = 10.0
    sigma: float = 5.0
    class_weights: tuple[float, ...] | list[float] = ()

    def __post_init__(self) -> None:
        if self.w0 < 0 or self.sigma <= 0 or any(weight < 0 for weight in self.class_weights):
            raise ValueError(f"border weights: expected weights of 0 or more and a sigma above 0, got {self}")

    def weight_map(self, label: NDArray, spacing: tuple[float, ...] | None) -> NDArray[np.float32]:
        """w of each voxel; see the class."""
        first, second = two_nearest(instances(label), in_voxels(spacing, label.ndim), REACH * self.sigma)
        gaps = np.exp(-((first + second) ** 2) / (2 * self.sigma**2)) * (label == 0)
        return (self._of_classes(label) + self.w0 * gaps).astype(np.float32)

    def _of_classes(self, label: NDArray) -> NDArray:
        if not self.class_weights:
            return np.ones(label.shape)
        last = int(label[label != IGNORE].max(initial=0))
        if last >= len(self.class_weights):
            raise ValueError(
                f"class_weights: expected a weight for each class up to {last}, got {self.class_weights}"
            )
        return np.asarray(self.class_weights)[np.where(label == IGNORE, 0, label)]


def two_nearest(objects: NDArray[np.int32], edges: NDArray, reach: float) -> NDArray:
    """The distances of each voxel to the nearest and to the second nearest object, `(2, *S)`.

    Each object is looked at in its own box, which makes the cost that of the objects and not of the image.

    Args:
        objects: `(*S)`, numbered from 1.
        edges: of a voxel.
        reach: in units of the edges; what is further away counts as infinitely far.
    """
    nearest = np.full((2, *objects.shape), np.inf)
    around = np.ceil(reach / edges).astype(int)
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        part = tuple(slice(max(s.start - a, 0), s.stop + a) for s, a in zip(box, around, strict=True))
        distance = ndimage.distance_transform_edt(objects[part] != number, sampling=edges)
        first, second = nearest[0][part], nearest[1][part]
        np.minimum(second, np.maximum(first, distance), out=second)
        np.minimum(first, distance, out=first)
    return nearest
