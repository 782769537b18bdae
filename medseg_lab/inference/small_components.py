"""Small components removed from the prediction of a whole case (survey 2.3.4) [34, 41]."""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.ndimage import label as components_of
from torch import Tensor, from_numpy

from medseg_lab.inference.post_processing import PostProcessing, set_to


class SmallComponents(PostProcessing):
    """A trained learner whose small isolated predictions are taken back.

    Of each foreground class, connected components (by faces) with fewer voxels than `min(most, share *
    largest)` become background; `largest` is the class's largest component in the case. The largest one
    always stays.

    The rule is that of OM-Net [34], recalled rather than read: a tenth of the largest, at most 2,000 voxels.
    Ours: every class by itself, where the paper looks at whole tumours.

    Args:
        share: of the voxels of the class's largest component.
        most: voxels; larger components stay whatever their share.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.1
    most: Annotated[int, Field(ge=0)] = 2000

    def process(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """`(K, *S)` of a whole case, with probability 1 of background where a component was removed."""
        label = probabilities.argmax(dim=0).cpu().numpy()
        removed = from_numpy(self.small(label, len(probabilities))).to(probabilities.device)
        return set_to(probabilities, 0, removed)

    def small(self, label: np.ndarray, classes: int) -> np.ndarray:
        """The voxels of small components, bool `(*S)`, of predicted classes `(*S)`."""
        removed = np.zeros(label.shape, dtype=bool)
        for k in range(1, classes):
            components, count = components_of(label == k)
            if count > 1:
                sizes = np.bincount(components.ravel())
                sizes[0] = sizes.max(initial=0)  # what is not of the class is no component
                limit = min(self.most, self.share * sizes[1:].max())
                removed |= (sizes < limit)[components]
        return removed
