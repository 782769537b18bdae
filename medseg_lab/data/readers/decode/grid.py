"""Where voxels are: a grid of so many along each axis, at a place in space where the file has one."""

from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class Grid:
    """The voxels of one image, without their values.

    Args:
        shape: S, how many voxels along each axis.
        affine: `(4, 4)`, from voxels to mm, x to the right, y to the front, z up; None for pictures.
        spacing: mm along each axis; None where it is not known.
        apart: mm between the farthest corners of two places, where a file states two (NIfTI: sform, qform).
        oriented: whether the file says which way its axes run, if its format can.
    """

    shape: tuple[int, ...]
    affine: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None
    apart: float = 0.0
    oriented: bool = True


def corners(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Where the centres of the eight corner voxels of a volume lie, `(8, 3)` in mm."""
    ends = np.array(list(product(*((0, n - 1) for n in shape))))
    return ends @ affine[:3, :3].T + affine[:3, 3]
