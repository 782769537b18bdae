"""Otsu's foreground, cut apart where objects touch, by a watershed of distances (survey 0)."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from medseg_lab.classical.grey_values import Grey
from medseg_lab.classical.threshold import Otsu


class Watershed(Otsu):
    """A threshold finds touching objects as one. A waist between two of them tells where to cut.

    Each voxel of a class that `Otsu` finds has a height, its distance to the border of the class. Round
    objects are hills, and where two touch there is a pass. Water that is poured on the landscape turned
    upside down fills its basins one by one, and where two would run together stands a line: one voxel of
    background, so that the two are objects of their own.

    Notes `cut`, the share of the voxels found that became such lines.

    Args:
        depth: how far a pass has to lie below the lower of its hills, in pixels, to be a cut: else the two
            are one object with a rough border.
    """

    depth: Annotated[float, Field(gt=0)] = 1.0

    def segmented(self, image: Grey) -> NDArray[np.int64]:
        """The classes `(*S)` of a whole case, with lines of background between touching objects."""
        found = super().segmented(image)
        whole = int(np.count_nonzero(found))
        for k in range(1, len(self.grey)):
            found[lines_between(found == k, self.depth)] = 0
        self.note_case(cut=1 - np.count_nonzero(found) / whole if whole else 0.0)
        return found


def lines_between(mask: NDArray[np.bool_], depth: float) -> NDArray[np.bool_]:
    """The voxels of a mask `(*S)` on which objects that touch are cut apart.

    Args:
        mask: of one class.
        depth: as of `Watershed`.
    """
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    if not mask.any():
        return mask
    height = ndimage.distance_transform_edt(mask)
    # hills lowered by the depth, and filled up as far as others reach through faces: shallow passes are gone;
    # the ground around lies lower still, so that every object keeps a hill, however low
    ground = np.where(mask, height, -depth - 1)
    faces = ndimage.generate_binary_structure(mask.ndim, 1)
    levelled = reconstruction(ground - depth, ground, footprint=faces)
    hills, _ = ndimage.label(local_maxima(levelled, connectivity=1), faces)
    basins = watershed(-height, hills, mask=mask, watershed_line=True)
    return mask & (basins == 0)
