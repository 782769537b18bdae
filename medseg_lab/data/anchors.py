"""Where a patch may be centred: voxels of every foreground class of a case."""

import numpy as np
from torch import Tensor

from medseg_lab.data.case import IGNORE

ANCHORS = 512
"""Voxels per class and case that a patch may be centred on."""


def anchors(label: Tensor) -> list[np.ndarray]:
    """For each foreground class present, up to about `ANCHORS` of its voxels, evenly spread.

    Args:
        label: `(*S)`, uint8. `IGNORE` is no class.

    Returns:
        Arrays `(n, d)`, one a class, in the order of the classes.
    """
    flat = label.numpy().ravel()
    present = np.flatnonzero(np.bincount(flat, minlength=IGNORE + 1))
    found = []
    for value in present[(present > 0) & (present != IGNORE)]:
        voxels = np.flatnonzero(flat == value)
        voxels = voxels[:: max(1, len(voxels) // ANCHORS)]
        found.append(np.stack(np.unravel_index(voxels, tuple(label.shape)), axis=1))
    return found


def beyond(label: Tensor) -> int:
    """The label of what lies beyond a case: 0, or `IGNORE` where parts of the case were left open, too."""
    return IGNORE if bool((label == IGNORE).any()) else 0
