"""The objects of a label map: what is connected and of one class."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import IGNORE


def instances(label: NDArray) -> NDArray[np.int32]:
    """The connected components of each foreground class, numbered from 1 class by class; 0 elsewhere.

    Components are connected through faces. `IGNORE` is no class.

    Args:
        label: `(*S)`, class indices.
    """
    found = np.zeros(label.shape, np.int32)
    count = 0
    for value in np.unique(label):
        if value not in (0, IGNORE):
            components, several = ndimage.label(label == value)
            found = np.where(components > 0, components + count, found)
            count += several
    return found
