"""Predicted voxels removed whose intensity the structure cannot have (survey 2.3.4) [34, 41]."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.inference.post_processing import PostProcessing, set_to

NORMAL = 1.4826
"""Standard deviations in the median distance from the median, of a normal distribution."""


class IntensityThreshold(PostProcessing):
    """A trained learner whose predictions are taken back where the image is too dark or too bright for them.

    Of each foreground class of a case, a voxel becomes background that is farther than `deviations` from the
    class's median in any channel. The unit is the standard deviation as the median distance tells it, so that
    up to half of the voxels may be wrong without moving the thresholds. Where more than half have one
    intensity, as in a saturated image, there is no such unit, and nothing is removed.

    Ours: a threshold in grey values holds for one scanner and one structure, which has to be looked up; here
    what was predicted of the same case sets both thresholds.

    Args:
        deviations: from the median, either way.
    """

    deviations: Annotated[float, Field(gt=0)] = 4.0

    def process(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """`(K, *S)` of a whole case, with probability 1 of background where the intensity does not fit."""
        label = probabilities.argmax(dim=0)
        removed = label < 0
        for k in range(1, len(probabilities)):
            values = image[:, label == k]  # (C, voxels)
            if values.shape[1]:
                distance = (values - values.median(dim=1, keepdim=True).values).abs()
                limit = self.deviations * NORMAL * distance.median(dim=1, keepdim=True).values
                removed[label == k] = ((distance > limit) & (limit > 0)).any(dim=0)
        return set_to(probabilities, 0, removed)
