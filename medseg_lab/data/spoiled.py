"""Labels that are wrong on purpose, in a known share of the slices: grown, moved or missing (survey 3.1)."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from medseg_lab.data.case import IGNORE, Case

SHARE = 0.3
"""Of the marked slices of a volume, or of the objects of a picture."""
FAR = 0.5
"""How far a region grows, over the radius of a disc of its size; it is moved twice as far."""


def spoiled(case: Case, slice_axis: int, share: float = SHARE) -> Tensor:
    """The reference of a case with spoiled labels, `(*S)`, uint8: a function of the case alone.

    The share of a volume's slices in which anything is marked is spoiled, each as a whole; of a picture the
    share of its objects, which are connected through edges. In turn they are grown (by half the radius of a
    disc of that size), moved (by a whole radius, anywhere) and missing. Which ones, in which turn and where
    to depends on the id of the case. With n of them, `n * share` are spoiled, rounded up or down by chance so
    that this is the share in the mean.

    Voxels that are `IGNORE` stay so. Where the result differs from `case.label`, the label is wrong.

    Args:
        case: with a reading.
        slice_axis: of S, in a volume.
        share: 0 to 1.

    Raises:
        ValueError: for another share.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0 to 1, got {share}")
    rng = np.random.default_rng(list(hashlib.sha256(case.id.encode()).digest()))
    voxels = case.label.numpy(force=True).copy()
    units = _slices(voxels, slice_axis) if voxels.ndim == 3 else _objects(voxels)
    count, turn = int(len(units) * share + rng.random()), int(rng.integers(len(WAYS)))
    for number, unit in enumerate(rng.permutation(len(units))[:count]):
        plane, mask = units[unit]
        region = np.where(mask, plane, 0)
        changed = WAYS[(turn + number) % len(WAYS)](region, rng)
        rest = np.where(mask, 0, plane)
        plane[:] = np.where(plane == IGNORE, IGNORE, np.where(changed > 0, changed, rest))
    return torch.from_numpy(voxels)


Unit = tuple[np.ndarray, np.ndarray]
"""A plane of the labels, as a view of them, and which of its pixels are spoiled together."""


def _slices(voxels: np.ndarray, axis: int) -> list[Unit]:
    planes = np.moveaxis(voxels, axis, 0)
    masks = [(plane > 0) & (plane != IGNORE) for plane in planes]
    return [(plane, mask) for plane, mask in zip(planes, masks, strict=True) if mask.any()]


def _objects(pixels: np.ndarray) -> list[Unit]:
    components, count = ndimage.label((pixels > 0) & (pixels != IGNORE))
    return [(pixels, components == number) for number in range(1, count + 1)]


def _radius(region: np.ndarray) -> float:
    return float(np.sqrt(np.count_nonzero(region) / np.pi))


def _grown(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    distance, nearest = ndimage.distance_transform_edt(region == 0, return_indices=True)
    return np.where(distance <= max(1.0, FAR * _radius(region)), region[tuple(nearest)], 0)


def _moved(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle, far = rng.uniform(0, 2 * np.pi), max(1.0, 2 * FAR * _radius(region))
    return ndimage.shift(region, np.rint((far * np.sin(angle), far * np.cos(angle))), order=0)


def _missing(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.zeros_like(region)


WAYS: tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], ...] = (_grown, _moved, _missing)
