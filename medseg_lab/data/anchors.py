"""Where a patch may be centred: voxels of every foreground class of a case."""

import numpy as np
from torch import Tensor

from medseg_lab.data.case import IGNORE

ANCHORS = 512
"""Voxels per class and case that a patch may be centred on."""


def anchors(labels: Tensor) -> list[np.ndarray]:
    """For each foreground class that any rater saw, up to about `ANCHORS` of its voxels, evenly spread.

    They do not depend on whose reading a learner is taught. If a patch were centred on what its own rater
    marked, raters who mark more would be drawn more often, and a learner would overestimate the foreground.

    Args:
        labels: `(R, *S)`, uint8. `IGNORE` is no class.

    Returns:
        Arrays `(n, d)`, one a class, in the order of the classes.
    """
    readings = labels.flatten(1).numpy()
    present = np.flatnonzero(np.bincount(readings.ravel(), minlength=IGNORE + 1))
    found = []
    for value in present[(present > 0) & (present != IGNORE)]:
        voxels = np.flatnonzero((readings == value).any(axis=0))
        voxels = voxels[:: max(1, len(voxels) // ANCHORS)]
        found.append(np.stack(np.unravel_index(voxels, tuple(labels.shape[1:])), axis=1))
    return found


def beyond(labels: Tensor) -> int:
    """The label outside of a case: 0, or `IGNORE` if the case has voxels that nobody annotated."""
    return IGNORE if bool((labels == IGNORE).any()) else 0
