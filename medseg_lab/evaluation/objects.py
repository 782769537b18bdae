"""Whether a segmentation finds the objects of a class one by one, and not only their voxels."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import IGNORE

SAME = 0.5
"""Two objects are the same if their IoU is larger than this: then no object can be the same as two."""


RIGHT, JOINED, WRONG = 1, 2, 3
"""What a predicted object is: the same as one of the reference; several of them in one; neither."""


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


def object_kinds(prediction: NDArray[np.bool_], label: NDArray[np.bool_]) -> tuple[NDArray, dict[int, int]]:
    """What each object of a prediction `(*S)` is, for pictures.

    Returns:
        A map of `RIGHT`, `JOINED` and `WRONG`, 0 elsewhere; and the number of objects of each kind. An object
        that is not the same as one of the reference is joined if it covers more than half of each of two.
    """
    found, there, pairs, shared = _meeting(prediction, label)
    sizes, whole = np.bincount(found.ravel()), np.bincount(there.ravel())
    same = pairs[0][shared / (sizes[pairs[0]] + whole[pairs[1]] - shared) > SAME]
    covered = np.bincount(pairs[0][2 * shared > whole[pairs[1]]], minlength=len(sizes))
    kinds = np.where(covered >= 2, JOINED, WRONG)
    kinds[same] = RIGHT
    kinds[0] = 0
    return kinds[found], {kind: int((kinds == kind).sum()) for kind in (RIGHT, JOINED, WRONG)}


def _f1(prediction: NDArray[np.bool_], label: NDArray[np.bool_]) -> float:
    found, there, pairs, shared = _meeting(prediction, label)
    objects = int(found.max() + there.max())
    sizes = np.bincount(found.ravel())[pairs[0]] + np.bincount(there.ravel())[pairs[1]]
    same = shared / (sizes - shared) > SAME
    return 2 * int(same.sum()) / objects if objects else np.nan


def _meeting(
    prediction: NDArray[np.bool_], label: NDArray[np.bool_]
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The objects of both, numbered; the pairs of numbers that meet, `(2, n)`; how many voxels they share."""
    (found, _), (there, _) = ndimage.label(prediction), ndimage.label(label)
    both = prediction & label
    pairs, shared = np.unique(np.stack((found[both], there[both])), axis=1, return_counts=True)
    return found, there, pairs, shared
