"""A dense conditional random field on the prediction of a whole case (survey 2.3.4) [35]."""

from typing import Annotated

from pydantic import Field
from scipy.ndimage import find_objects
from torch import Tensor

from medseg_lab.inference.mean_field import mean_field
from medseg_lab.inference.post_processing import PostProcessing

Weight = Annotated[float, Field(ge=0)]
Width = Annotated[float, Field(gt=0)]

SURE = 0.999
"""A voxel is left out where it and its neighbourhood are background with at least this probability."""


class ConditionalRandomField(PostProcessing):
    """A trained learner whose probabilities are brought into line with the image (`mean_field`).

    Neighbours of like intensity are to have the same class, so borders move to edges of the image, and what
    is small and unlike its neighbourhood goes. A volume is one field, also where the learner predicts slices.

    Widths are in voxels, however large these are. Only the box around what may be foreground is computed,
    with a margin of `radius`: beyond it, all that a voxel hears is background.

    Args:
        appearance, smoothness, alpha, beta, gamma, radius, iterations: as in `mean_field`; `beta` is in
            standard deviations of the image.
    """

    appearance: Weight = 8.0
    smoothness: Weight = 1.0
    alpha: Width = 2.0
    beta: Width = 0.25
    gamma: Width = 1.0
    radius: Width = 4.0
    iterations: Annotated[int, Field(ge=1)] = 5

    def process(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """`(K, *S)` of a whole case after some updates of the field."""
        boxes = find_objects((probabilities[0] < SURE).cpu().numpy().astype(int))
        if not boxes:
            return probabilities
        margin = int(self.radius)
        box = (slice(None), *(slice(max(side.start - margin, 0), side.stop + margin) for side in boxes[0]))
        found = probabilities.clone()
        found[box] = mean_field(
            probabilities[box],
            image[box],
            appearance=self.appearance,
            smoothness=self.smoothness,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            radius=self.radius,
            iterations=self.iterations,
        )
        return found
