"""Self-training whose pseudo-labels a level set refines (survey 3.1) [57]."""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import find_objects
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.rounds.rounds import Rounds

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]


class SelfTrainingLevelSet(Rounds):
    """Before each round, the borders of the predicted regions move to where the image divides best.

    Each foreground class of a slice is a region. Its border moves, at most one voxel an iteration, such that
    what is seen inside and outside is each as uniform as possible, and may then be smoothed: the active
    contour without edges of Chan and Vese, in its morphological form (`morphological_chan_vese` of
    scikit-image). It starts from the prediction, and a few iterations keep it near. A class that is absent
    stays absent. The prediction of a network of volumes is refined as a volume.

    Ours: Tang et al. [57] have one organ and a level set of another kind; here there are several classes.
    Where their regions overlap, the class that the network finds more probable wins; what no region covers
    is background. "Outside" is what lies `around` a region, because an image has more than two intensities.
    What is seen is the image, and the network's probability of the class as one more channel: by intensities
    alone a border runs away where the organ is no brighter or darker than what surrounds it.

    Args:
        iterations: of the level set; an even number, because two ways to smooth take turns, and the library
            remembers across calls whose turn it is.
        smoothing: how often a border is smoothed in each iteration; not at all by default, because it wears
            off regions of a few voxels across. This and `trust` were chosen on validation cases of
            msd-hippocampus.
        around: the margin, in voxels, of the box about a region in which it is compared with its outside.
        trust: by how much the network's probability is multiplied as a channel, beside an image whose
            standard deviation is 1; 0 for the image alone.
    """

    iterations: Annotated[int, Field(ge=2, multiple_of=2)] = 2
    smoothing: Annotated[int, Field(ge=0)] = 0
    around: Annotated[int, Field(ge=1)] = 4
    trust: Annotated[float, Field(ge=0)] = 2.0

    def refined(self, foretold: Tensor, case: Case) -> Tensor:
        """The prediction `(K, *S)` where its class is one of those whose region the voxel is in."""
        claims = torch.zeros(foretold.shape, dtype=torch.bool)
        label = foretold.argmax(dim=0)
        for k in label.unique().tolist():
            if k:
                seen = torch.cat((case.image, self.trust * foretold[k : k + 1]))
                claims[k] = self.moved(label == k, seen)
        claims[0] = ~claims.any(dim=0)
        found = (foretold + torch.finfo(foretold.dtype).eps) * claims
        return found / found.sum(dim=0)

    def moved(self, region: Tensor, image: Tensor) -> Tensor:
        """A region `(*S)`, bool, after its border has moved; slice by slice where the network sees slices."""
        inside, channels = region.numpy(), image.numpy()
        if region.ndim == self.task.spatial_dims:
            return torch.from_numpy(level_set(inside, channels, self.iterations, self.smoothing, self.around))
        axis = (self.task.slice_axis + self.plane) % 3
        found = inside.copy()
        for at in np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))):
            here = (slice(None),) * axis + (at,)
            found[here] = level_set(
                inside[here], channels[(slice(None), *here)], self.iterations, self.smoothing, self.around
            )
        return torch.from_numpy(found)


def level_set(region: Mask, image: Image, iterations: int = 2, smoothing: int = 0, around: int = 4) -> Mask:
    """A region whose border has moved to where inside and outside differ most and each varies least.

    Of several channels, each counts by how much its mean inside differs from its mean outside.

    Args:
        region: `(*S)`.
        image: `(C, *S)`.
        iterations, smoothing, around: as in `SelfTrainingLevelSet`.
    """
    from skimage.segmentation import morphological_chan_vese

    bounds = find_objects(region.astype(np.uint8))
    if not bounds:
        return region
    box = tuple(slice(max(side.start - around, 0), side.stop + around) for side in bounds[0])
    inside, channels = region[box], image[(slice(None), *box)]
    if inside.all():
        return region
    contrast = channels[:, inside].mean(axis=1) - channels[:, ~inside].mean(axis=1)
    grey = np.tensordot(contrast, channels, axes=1)
    found = region.copy()
    found[box] = morphological_chan_vese(grey, iterations, inside, smoothing) > 0
    return found
