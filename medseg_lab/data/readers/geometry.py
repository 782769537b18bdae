"""Where images and labels lie: compared by their corners, and brought to one orientation.

An affine takes voxels to millimetres, x to the right, y to the front and z up (RAS). The canonical
orientation of a volume is the one whose axes are as near to these as can be had by exchanging and flipping
axes; nothing is resampled, so an oblique volume stays oblique.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel import orientations

from medseg_lab.data.readers.decode.grid import Grid, corners
from medseg_lab.data.readers.decode.nifti_header import RANGE, SPACING_MM
from medseg_lab.data.readers.decode.volume import Volume
from medseg_lab.data.wording import by

AGREE = 0.1
"""The corners of an image and of its label may be apart by this share of the smallest voxel edge."""

UNSIGNED = str.maketrans("LPI", "RAS")
"""The letter of an axis without its direction."""


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(C, X, Y, Z)` with its axes exchanged and flipped to the canonical orientation, and the new affine."""
    turns = orientations.io_orientation(affine)
    moved = orientations.apply_orientation(np.moveaxis(array, 0, -1), turns)
    affine = affine @ orientations.inv_ornt_aff(turns, array.shape[1:])
    return np.moveaxis(moved, -1, 0), affine


def from_canonical(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """What `to_canonical` did to an array of this affine, undone; `(C, X, Y, Z)`."""
    there = orientations.io_orientation(affine)
    back = orientations.ornt_transform(orientations.io_orientation(np.eye(4)), there)
    return np.moveaxis(orientations.apply_orientation(np.moveaxis(array, 0, -1), back), -1, 0)


def arranged(volume: Volume, dims: int, path: Path) -> Volume:
    """A volume as the library keeps it: canonical if it has an affine, and `(C, *S)` with `dims` axes in S.

    In two dimensions, an axis of one voxel is left out, wherever it is stored; its spacing means nothing.
    The result has no affine in two dimensions. `restored` undoes this.

    Raises:
        ValueError: naming `path`: another number of axes, or a spacing that is no length.
    """
    grid = arranged_grid(volume.grid, dims, path)
    voxels = volume.voxels
    if volume.affine is not None:
        voxels, _ = to_canonical(voxels, volume.affine)
    return Volume(voxels.reshape(len(voxels), *grid.shape), grid.affine, grid.spacing)


def arranged_grid(grid: Grid, dims: int, path: Path) -> Grid:
    """The grid of `arranged`, without the voxels."""
    grid = canonical_grid(grid)
    if dims == 2 and len(grid.shape) == 3 and grid.shape.count(1) == 1:
        kept = [axis for axis, n in enumerate(grid.shape) if n > 1]
        grid = Grid(tuple(grid.shape[a] for a in kept), None, _of(grid.spacing, kept))
    if len(grid.shape) != dims:
        expected = "one slice: (X, Y), or one axis of length 1" if dims == 2 else "a volume: (X, Y, Z)"
        raise ValueError(f"{path}: expected {expected}, got shape {grid.shape}")
    require_spacing(grid, path)
    return grid


def require_spacing(grid: Grid, path: Path) -> None:
    """Check that the spacing, if there is one, is a plausible length along every axis; `path` is named."""
    if grid.spacing and not all(SPACING_MM[0] <= edge <= SPACING_MM[1] for edge in grid.spacing):
        raise ValueError(f"{path}: expected {RANGE}, got {by(grid.spacing)} for shape {grid.shape}")


def restored(array: np.ndarray, original: Volume) -> np.ndarray:
    """`(C, *S)` on the grid of `arranged(original, ...)`, back on the grid of `original` as it was stored."""
    if original.affine is None:
        return array.reshape(len(array), *original.voxels.shape[1:])
    return from_canonical(array.reshape(len(array), *canonical_grid(original.grid).shape), original.affine)


def is_flat(grid: Grid) -> bool:
    """Whether this is one slice: two axes, or three of which one has a single voxel."""
    return len(grid.shape) == 2 or grid.shape.count(1) == 1


def require_same_grid(image: Grid, label: Grid, path: Path) -> None:
    """Check that an image and its label have the same voxels at the same place; `path` is the image's.

    Where one of them has no affine, only the shapes are compared.

    Raises:
        ValueError: naming `path`, and what may have caused the difference.
    """
    if image.shape != label.shape:
        exchanged = sorted(image.shape) == sorted(label.shape)
        turned = (
            " (is one turned? a camera's EXIF tag is applied, as viewers do)" if image.affine is None else ""
        )
        cause = f": the same axes in another order{turned}" if exchanged else ""
        raise ValueError(f"{path}: expected the label's shape {label.shape}, got {image.shape}{cause}")
    if image.affine is None or label.affine is None:
        return
    moves = corners(image.shape, image.affine) - corners(label.shape, label.affine)
    apart = float(np.linalg.norm(moves, axis=1).max())
    limit = AGREE * min(smallest_edge(image), smallest_edge(label))
    if apart > limit:
        cause = _cause(image.affine, label.affine, image.shape, moves, limit)
        raise ValueError(
            f"{path}: expected the label's place, got corners {apart:.3g} mm from its own: {cause}"
        )


def canonical_grid(grid: Grid) -> Grid:
    """The grid in the canonical orientation, if it has a place in space; else as it is."""
    if grid.affine is None:
        return grid
    turns = orientations.io_orientation(grid.affine)
    order = [int(axis) for axis in np.argsort(turns[:, 0])]
    affine = grid.affine @ orientations.inv_ornt_aff(turns, grid.shape)
    return replace(
        grid, shape=tuple(grid.shape[a] for a in order), affine=affine, spacing=_of(grid.spacing, order)
    )


def _cause(
    image: np.ndarray, label: np.ndarray, shape: Sequence[int], moves: np.ndarray, limit: float
) -> str:
    """What may have gone wrong, from the affines of image and label."""
    plain = [np.allclose(np.abs(affine), np.eye(4)) for affine in (image, label)]
    for what, is_lost in zip(("image", "label"), plain, strict=True):
        if is_lost and not all(plain):
            return f"the {what}'s header has no place and spacing of its own (lost in a conversion?)"
    if np.linalg.norm(moves - moves.mean(0), axis=1).max() <= limit:
        return f"origin {by(image[:3, 3])} mm, the label's {by(label[:3, 3])} mm"
    edges, others = (np.linalg.norm(affine[:3, :3], axis=0) for affine in (image, label))
    said = f"{by(edges)} mm, the label's {by(others)} mm"
    ratio = edges / others
    if np.allclose(ratio, ratio[0], rtol=0.01) and abs(abs(np.log10(ratio[0])) - 3) < 0.01:
        return f"spacing {said} (metres or micrometres for mm?)"
    if (np.abs(edges - others) * np.maximum(1, np.array(shape) - 1) > limit).any():
        exchanged = np.allclose(np.sort(edges), np.sort(others), rtol=1e-3)
        return f"spacing {said}" + (" (axes exchanged?)" if exchanged else "")
    axes, those = ("".join(orientations.aff2axcodes(affine)) for affine in (image, label))
    if axes != those:
        exchanged = axes.translate(UNSIGNED) != those.translate(UNSIGNED)
        return f"axes {axes}, the label's {those} ({'exchanged' if exchanged else 'flipped'})"
    return "the image is turned against the label"


def smallest_edge(grid: Grid) -> float:
    """The smallest edge of a voxel in mm, among the axes of more than one voxel, if there are any."""
    assert grid.affine is not None
    edges = np.linalg.norm(grid.affine[:3, :3], axis=0)
    longer = [edge for edge, n in zip(edges, grid.shape, strict=True) if n > 1]
    return float(min(longer or edges))


def _of(spacing: tuple[float, ...] | None, axes: Sequence[int]) -> tuple[float, ...] | None:
    return None if spacing is None else tuple(spacing[axis] for axis in axes)
