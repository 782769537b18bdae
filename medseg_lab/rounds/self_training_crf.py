"""Self-training whose pseudo-labels a conditional random field refines (survey 3.1) [56]."""

from math import pi, sqrt
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.mean_field import mean_field
from medseg_lab.rounds.rounds import Rounds

Weight = Annotated[float, Field(ge=0)]
Width = Annotated[float, Field(gt=0)]


class SelfTrainingCRF(Rounds):
    """Before each round, the predictions of the network are brought into line with the images.

    The network's errors are its own; the random field knows only that neighbours of like intensity belong
    together. Where the two disagree, the next round learns what the field says. As Bai et al. [56] do, slices
    are fields of their own, in the plane in which the network sees them; the prediction of a network of
    volumes is one field.

    The field is that of section 2.3.4 (`mean_field`), and its settings are those that were best there, on
    validation cases.

    Args:
        appearance, smoothness, alpha, beta, gamma, radius, iterations: as in `mean_field`, with widths in
            voxels; `beta` is in standard deviations of the image.
    """

    appearance: Weight = 8.0
    smoothness: Weight = 0.0
    alpha: Width = 2.0
    beta: Width = 0.25
    gamma: Width = 1.0
    radius: Width = 4.0
    iterations: Annotated[int, Field(ge=1)] = 5

    def refined(self, foretold: Tensor, case: Case) -> Tensor:
        """The field's probabilities `(K, *S)`."""
        return self.field(foretold, case.image)

    def field(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """What a field, or one of each slice, makes of probabilities `(K, *S)` and an image `(C, *S)`.

        Slices are computed together. They are so far apart that none has a neighbour in another; a Gaussian's
        mass in a voxel of this thickness, over that in a pixel, is taken off the weights.
        """
        apart, appearance, smoothness = None, self.appearance, self.smoothness
        if image.ndim - 1 > self.task.spatial_dims:
            thickness = 2 * self.radius
            apart = [1.0] * (image.ndim - 1)
            apart[(self.task.slice_axis + self.plane) % 3] = thickness
            appearance *= sqrt(2 * pi) * self.alpha / thickness
            smoothness *= sqrt(2 * pi) * self.gamma / thickness
        with torch.inference_mode():
            return mean_field(
                probabilities,
                image.to(probabilities.device, probabilities.dtype),
                appearance=appearance,
                smoothness=smoothness,
                alpha=self.alpha,
                beta=self.beta,
                gamma=self.gamma,
                radius=self.radius,
                iterations=self.iterations,
                spacing=apart,
            )
