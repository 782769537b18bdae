"""Random change of training patches, batched on the device (survey 2.3.1).

Drawing and applying are apart: `draw_spatial` and `draw_intensity` give plain parameters, `resample`,
`mirror_patch` and `change_intensity` are their deterministic twins, which replay the same change on any
patches.

References: rotation, scaling, cropping, mirroring and noise as the survey lists them; gamma after Isensee
et al. [46], whose ranges are near ours; elastic deformation [14] and B-splines [13] as one: random
displacements of a few control points, between which a cubic B-spline is smooth. Departures: a share of the
patches is resampled and the rest only cropped, which is cheap; [14] interpolates its grid of 3 x 3 points
bicubically. Only the strong augmentation deforms.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ANISOTROPIC = 3.0
"""Voxels longer than this against another edge are neither rotated nor displaced across it: it would blur."""
LARGEST = 1 / 3
"""A control point moves at most by this share of the distance to the next. From about .49 (in 2D) or .40 (in
3D) on, a cubic B-spline may fold (Choi and Lee, Graphical Models 2000); below, it can be inverted."""
INVERSIONS = 25
"""Steps of fixed-point iteration. Each leaves at most five sixths of the error, and mostly half."""


@dataclass(frozen=True)
class Augmentation:
    """How much patches vary; pairs are ranges of a uniform draw, shares are of the patches.

    Another augmentation is a subclass that draws in its own way.

    Args:
        spatial: False leaves patches where and as they were cut: neither turned, scaled nor mirrored.
        intensity: False leaves their intensities.
        resampled: share that is rotated and scaled.
        rotation_deg: largest turn about each axis.
        scale: size of the content, 1 keeps it; drawn evenly in its logarithm.
        deformed: share that is deformed elastically.
        displacement_mm: standard deviation of the displacement of control points along each axis, in mm; in
            voxels, where the data set has no spacing. Voxels move by about half of it in 2D, a third in 3D.
        control: distances between control points along each edge of a patch; more are finer waves.
        gain, shift: contrast and brightness of a z-scored image, x -> gain x + shift; every patch.
        gamma, gamma_share: exponent on the intensity between a patch's minimum and maximum.
        noise, noise_share: standard deviation of added Gaussian noise.

    Raises:
        ValueError: for a share outside of 0 to 1, a range that is no pair in order, or no distances between
            control points.
    """

    spatial: bool = True
    intensity: bool = True
    resampled: float = 0.2
    rotation_deg: float = 20.0
    scale: tuple[float, float] = (0.8, 1.25)
    deformed: float = 0.0
    displacement_mm: tuple[float, float] = (1.0, 4.0)
    control: int = 4
    gain: tuple[float, float] = (0.8, 1.25)
    shift: tuple[float, float] = (-0.15, 0.15)
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_share: float = 0.15
    noise: tuple[float, float] = (0.0, 0.25)
    noise_share: float = 0.15

    def __post_init__(self) -> None:
        for name in ("resampled", "deformed", "gamma_share", "noise_share"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ValueError(f"Augmentation: {name}: expected a share of 0 to 1, got {share}")
        for name in ("scale", "displacement_mm", "gain", "shift", "gamma", "noise"):
            between = getattr(self, name)
            if not isinstance(between, tuple | list) or len(between) != 2 or between[0] > between[1]:
                raise ValueError(f"Augmentation: {name}: expected a pair, lower first, got {between}")
        if self.control < 1:
            raise ValueError(f"Augmentation: control: expected 1 distance or more, got {self.control}")

    def draw_spatial(
        self, rng: np.random.Generator, spacing: np.ndarray, mirror: tuple[int, ...]
    ) -> "Spatial | None":
        """Parameters for N patches of `spacing` `(N, d)`, in mm; `mirror`: the axes that may be reversed."""
        return draw_spatial(rng, spacing, mirror, self) if self.spatial else None

    def draw_intensity(self, rng: np.random.Generator, n: int) -> "Intensity | None":
        """Parameters for N patches."""
        return draw_intensity(rng, n, self) if self.intensity else None


@dataclass(frozen=True)
class Spatial:
    """Parameters of N patches.

    Args:
        matrix: `(N, d, d)`, from output to input voxels about the centre.
        mirrored: the axes reversed at the end, `(N, d)`.
        control: displacements of control points in voxels, along each axis `(N, d, *G)`, which come before
            the matrix: a patch shows at p what is at matrix (p + displacement(p)). None if no patch has any.
    """

    matrix: np.ndarray
    mirrored: np.ndarray
    control: np.ndarray | None = None


@dataclass(frozen=True)
class Intensity:
    """One number per patch, `(N,)`; a gamma of 1 or noise of 0 leaves the patch alone."""

    gain: np.ndarray
    shift: np.ndarray
    gamma: np.ndarray
    noise: np.ndarray
    noise_seed: int


def draw_spatial(
    rng: np.random.Generator, spacing: np.ndarray, mirror: tuple[int, ...], how: Augmentation
) -> Spatial:
    """Parameters for N patches of `spacing` `(N, d)`; turns and scales are true in millimetres."""
    n, d = spacing.shape
    planes = [(i, j) for i in range(d) for j in range(i + 1, d)]
    limit = np.deg2rad(how.rotation_deg)
    angles = rng.uniform(-limit, limit, (n, len(planes)))
    zoom = _log_uniform(rng, how.scale, n)
    chosen = rng.random(n) < how.resampled
    matrix = np.broadcast_to(np.eye(d), (n, d, d)).copy()
    for k, (i, j) in enumerate(planes):
        ratio = spacing[:, i] / spacing[:, j]
        angle = np.where(np.maximum(ratio, 1 / ratio) <= ANISOTROPIC, angles[:, k], 0.0)
        turn = np.broadcast_to(np.eye(d), (n, d, d)).copy()
        turn[:, i, i] = turn[:, j, j] = np.cos(angle)
        turn[:, i, j], turn[:, j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix / zoom[:, None, None] * spacing[:, None, :] / spacing[:, :, None]
    mirrored = (rng.random((n, d)) < 0.5) & np.isin(np.arange(d), np.array(mirror))
    matrix = np.where(np.asarray(chosen)[:, None, None], matrix, np.eye(d))
    return Spatial(matrix, mirrored, _draw_control(rng, spacing, how) if how.deformed else None)


def draw_intensity(rng: np.random.Generator, n: int, how: Augmentation) -> Intensity:
    """Parameters for N patches; gain and gamma are drawn evenly in their logarithm."""
    gain = _log_uniform(rng, how.gain, n)
    shift = rng.uniform(*how.shift, n)
    gamma = _log_uniform(rng, how.gamma, n)
    noise = rng.uniform(*how.noise, n)
    gamma = np.where(rng.random(n) < how.gamma_share, gamma, 1.0)
    noise = np.where(rng.random(n) < how.noise_share, noise, 0.0)
    return Intensity(gain, shift, gamma, noise, int(rng.integers(2**62)))


def turned(matrix: np.ndarray, control: np.ndarray | None = None) -> np.ndarray:
    """Which of the patches are resampled, `(n,)`: `matrix` is not the identity, or a control point moves."""
    moved = np.not_equal(matrix, np.eye(matrix.shape[1])).any(axis=(1, 2))
    if control is not None:
        moved |= control.any(axis=tuple(range(1, control.ndim)))
    return np.flatnonzero(moved)


def margins(matrix: np.ndarray, patch: tuple[int, ...], control: np.ndarray | None = None) -> tuple[int, ...]:
    """Voxels beyond each side of the patch that `resample` by any of `matrix` `(N, d, d)` will read."""
    half = (np.array(patch) - 1) / 2
    furthest = half if control is None else half + _limited(control, patch).max(axis=(0, *_points(control)))
    reach = np.abs(matrix) @ furthest - half
    return tuple(int(m) for m in np.maximum(0, np.ceil(reach.max(axis=0))) + 1)


def displacement(control: np.ndarray, patch: tuple[int, ...], device: torch.device | str = "cpu") -> Tensor:
    """How far each voxel of a patch moves along each axis, in voxels: a uniform cubic B-spline.

    Args:
        control: displacements of control points `(N, d, *G)`, in voxels. Along an axis, G - 3 distances
            between points span the patch; one point before and one behind it shape its borders. More
            than `LARGEST` of a distance is cut to that.
        patch: the shape P.

    Returns:
        `(N, d, *P)`; nowhere more than the furthest control point.
    """
    found = torch.from_numpy(_limited(control, patch, signed=True)).to(device, torch.float32)
    for axis, edge in enumerate(patch):
        weights = torch.from_numpy(_spline(edge, control.shape[2 + axis])).to(device, torch.float32)
        found = torch.tensordot(found, weights, dims=([2], [1]))  # the axis goes last, so they come in turn
    return found


def resample(
    image: Tensor,
    label: Tensor,
    matrix: np.ndarray,
    patch: tuple[int, ...],
    control: np.ndarray | None = None,
) -> tuple[Tensor, Tensor]:
    """The central patch of blocks, changed; image linearly and label by the nearest, over one grid.

    Args:
        image: blocks `(N, C, *B)`, larger than the patch by its `margins`; zeros lie beyond.
        label: `(N, *B)`, of any type that float32 holds exactly.
        matrix, control: as in `Spatial`.
        patch: the shape P of what comes back: `(N, C, *P)` and `(N, *P)`.
    """
    block = tuple(image.shape[2:])
    grid = _grid(matrix, patch, block, image.device)
    if control is not None:
        moved = displacement(control, patch, image.device)
        turn = torch.from_numpy(matrix).to(moved)
        grid = grid + _in_units(torch.einsum("nij,nj...->ni...", turn, moved), block)
    return _read(image, label, grid)


def restore(seen: Tensor, matrix: np.ndarray, control: np.ndarray | None = None) -> Tensor:
    """What `resample` showed, brought back to the voxels of the window; zeros where it did not show them.

    The displacement is inverted by fixed-point iteration, which converges because it never folds.

    Args:
        seen: `(N, K, *P)`.
        matrix, control: those of the `resample`.
    """
    patch = tuple(seen.shape[2:])
    grid = start = _grid(np.linalg.inv(matrix), patch, patch, seen.device)
    if control is not None:
        moved = _in_units(displacement(control, patch, seen.device), patch).movedim(-1, 1)
        for _ in range(INVERSIONS):
            there = F.grid_sample(moved, grid, padding_mode="border", align_corners=False)
            grid = start - there.movedim(1, -1)
    return F.grid_sample(seen, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def mirror_patch(patch: Tensor, mirrored: np.ndarray) -> Tensor:
    """`patch` `(..., *P)` with its last d axes reversed where `mirrored` `(d,)` says so."""
    axes = [int(a) - len(mirrored) for a in np.flatnonzero(mirrored)]
    return patch.flip(axes) if axes else patch


def change_intensity(image: Tensor, change: Intensity) -> Tensor:
    """`image` `(N, C, *P)` after gamma, then contrast and brightness, then noise; in place."""
    shape = (-1,) + (1,) * (image.ndim - 1)

    def on_device(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(image.device, torch.float32).view(shape)

    bent = np.flatnonzero(change.gamma != 1)
    if len(bent):
        image[bent] = _gamma(image[bent], on_device(change.gamma[bent]))
    image.mul_(on_device(change.gain)).add_(on_device(change.shift))
    noisy = np.flatnonzero(change.noise)
    if len(noisy):
        generator = torch.Generator(image.device).manual_seed(change.noise_seed)
        chosen = image[noisy]
        noise = torch.empty_like(chosen).normal_(generator=generator)
        image[noisy] = chosen.addcmul_(noise, on_device(change.noise[noisy]))
    return image


def _draw_control(rng: np.random.Generator, spacing: np.ndarray, how: Augmentation) -> np.ndarray:
    """Displacements of control points in voxels, `(N, d, *G)`; 0 where a patch is not deformed."""
    n, d = spacing.shape
    points = (n, d, *[how.control + 3] * d)
    strength = np.where(rng.random(n) < how.deformed, rng.uniform(*how.displacement_mm, n), 0.0)
    fine = spacing <= ANISOTROPIC * spacing.min(axis=1, keepdims=True)
    in_voxels = strength[:, None] * fine / spacing
    return rng.normal(size=points) * in_voxels.reshape(n, d, *[1] * d)


def _points(control: np.ndarray) -> tuple[int, ...]:
    """The axes along which control points lie."""
    return tuple(range(2, control.ndim))


def _limited(control: np.ndarray, patch: tuple[int, ...], signed: bool = False) -> np.ndarray:
    """Displacements that cannot fold, or their size."""
    apart = np.array(patch) / (np.array(control.shape[2:]) - 3)
    limit = LARGEST * apart.reshape(-1, *[1] * len(patch))
    found = np.clip(control, -limit, limit)
    return found if signed else np.abs(found)


@lru_cache(maxsize=64)
def _spline(edge: int, points: int) -> np.ndarray:
    """Weights of the control points at each voxel of an edge, `(P, G)`; each row sums to 1."""
    at = (np.arange(edge) + 0.5) / edge * (points - 3)
    away = np.abs(at[:, None] - (np.arange(points)[None] - 1))
    near, far = 2 / 3 - away**2 + away**3 / 2, np.maximum(0, 2 - away) ** 3 / 6
    return np.where(away < 1, near, far)


def _grid(matrix: np.ndarray, patch: tuple[int, ...], block: tuple[int, ...], device: torch.device) -> Tensor:
    """Where each voxel of the patch lies in the block, `(N, *P, d)`, as grid_sample counts."""
    # grid_sample names the last axis x, and counts from -1 to 1 over the block.
    unit = (matrix * np.array(patch)[None, None, :] / np.array(block)[None, :, None])[:, ::-1, ::-1]
    theta = torch.from_numpy(np.concatenate([unit, np.zeros((*unit.shape[:2], 1))], axis=2)).float()
    return F.affine_grid(theta.to(device), [len(matrix), 1, *patch], align_corners=False)


def _in_units(moved: Tensor, block: tuple[int, ...]) -> Tensor:
    """Voxels `(N, d, *P)` as grid_sample counts them over a block, `(N, *P, d)`."""
    return (moved.movedim(1, -1) * 2 / moved.new_tensor(block)).flip(-1)


def _read(image: Tensor, label: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    nearest = F.grid_sample(
        label[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    return moved, nearest[:, 0].to(label.dtype)


def _log_uniform(rng: np.random.Generator, between: tuple[float, float], n: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(between[0]), np.log(between[1]), n))


def _gamma(image: Tensor, exponent: Tensor) -> Tensor:
    axes = tuple(range(1, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    extent = (high - low).clamp(min=1e-6)
    return ((image - low) / extent).clamp_(0, 1).pow_(exponent).mul_(extent).add_(low)
