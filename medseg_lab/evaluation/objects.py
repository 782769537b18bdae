"""Whether a segmentation finds the objects of a class one by one, and not only their voxels."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import IGNORE

SAME = 0.5
"""Two objects are the same if their IoU is larger than this: then no object can be the same as two."""


def object_f1(prediction: NDArray, label: NDArray, n_classes: int) -> list[float]:
    """The F1 score of the objects of each foreground class of one case.

    Objects are connected components, through faces. F1 is 2 TP / (predicted + there), where TP counts the
    pairs of a predicted object and one of the reference with an IoU above one half. So two objects that are
    joined by a voxel count as one wrong object, which Dice hardly sees.

    Args:
        prediction: `(*S)`, class indices.
        label: `(*S)`, the reference: class indices, or `IGNORE`, where nothing counts.
        n_classes: K, background included.

    Returns:
        K-1 numbers; NaN for a class that is neither there nor predicted.
    """
    known = label != IGNORE
    return [_f1((prediction == k) & known, label == k) for k in range(1, n_classes)]


def _f1(prediction: NDArray[np.bool_], label: NDArray[np.bool_]) -> float:
    (found, n_found), (there, n_there) = ndimage.label(prediction), ndimage.label(label)
    if not n_found + n_there:
        return np.nan
    both = prediction & label
    # a row for each predicted object, a column for each one of the reference, from 1
    pairs, shared = np.unique(np.stack((found[both], there[both])), axis=1, return_counts=True)
    sizes = np.bincount(found.ravel())[pairs[0]] + np.bincount(there.ravel())[pairs[1]]
    same = shared / (sizes - shared) > SAME
    return 2 * int(same.sum()) / (n_found + n_there)
