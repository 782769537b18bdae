"""Random change of training patches, batched on the device (survey 2.3.1).

Drawing and applying are apart: `draw_spatial` and `draw_intensity` give plain parameters, `resample`,
`mirror_patch` and `change_intensity` are their deterministic twins, which replay the same change on any
patches.

References: rotation, scaling, cropping, mirroring and noise as the survey lists them; gamma after Isensee
et al. [46], whose ranges are near ours. Departures: a share of the patches is resampled and the rest only
cropped, which is cheap; elastic deformation [14] and B-splines [13] are left out.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ANISOTROPIC = 3.0
"""Voxels longer than this against another edge are not rotated across it: it would only blur."""


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
        gain, shift: contrast and brightness of a z-scored image, x -> gain x + shift; every patch.
        gamma, gamma_share: exponent on the intensity between a patch's minimum and maximum.
        noise, noise_share: standard deviation of added Gaussian noise.
    """

    spatial: bool = True
    intensity: bool = True
    resampled: float = 0.2
    rotation_deg: float = 20.0
    scale: tuple[float, float] = (0.8, 1.25)
    gain: tuple[float, float] = (0.8, 1.25)
    shift: tuple[float, float] = (-0.15, 0.15)
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_share: float = 0.15
    noise: tuple[float, float] = (0.0, 0.25)
    noise_share: float = 0.15

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
    """Matrices `(N, d, d)` from output to input voxels about the centre, and mirrored axes `(N, d)`."""

    matrix: np.ndarray
    mirrored: np.ndarray


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
    return Spatial(np.where(np.asarray(chosen)[:, None, None], matrix, np.eye(d)), mirrored)


def draw_intensity(rng: np.random.Generator, n: int, how: Augmentation) -> Intensity:
    """Parameters for N patches; gain and gamma are drawn evenly in their logarithm."""
    gain = _log_uniform(rng, how.gain, n)
    shift = rng.uniform(*how.shift, n)
    gamma = _log_uniform(rng, how.gamma, n)
    noise = rng.uniform(*how.noise, n)
    gamma = np.where(rng.random(n) < how.gamma_share, gamma, 1.0)
    noise = np.where(rng.random(n) < how.noise_share, noise, 0.0)
    return Intensity(gain, shift, gamma, noise, int(rng.integers(2**62)))


def turned(matrix: np.ndarray) -> np.ndarray:
    """Which of the matrices `(N, d, d)` are not the identity, `(n,)`."""
    return np.flatnonzero(np.not_equal(matrix, np.eye(matrix.shape[1])).any(axis=(1, 2)))


def margins(matrix: np.ndarray, patch: tuple[int, ...]) -> tuple[int, ...]:
    """Voxels beyond each side of the patch that `resample` by any of `matrix` `(N, d, d)` will read."""
    half = (np.array(patch) - 1) / 2
    reach = np.abs(matrix) @ half - half
    return tuple(int(m) for m in np.maximum(0, np.ceil(reach.max(axis=0))) + 1)


def resample(
    image: Tensor, label: Tensor, matrix: np.ndarray, patch: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """The central patch of blocks under `matrix`, image linearly and label by the nearest, over one grid.

    Args:
        image: blocks `(N, C, *B)`, larger than the patch by its `margins`; zeros lie beyond.
        label: `(N, *B)`, of any type that float32 holds exactly.
        matrix: `(N, d, d)`, from output to input voxels about the common centre.
        patch: the shape P of what comes back: `(N, C, *P)` and `(N, *P)`.
    """
    block = np.array(image.shape[2:])
    # grid_sample names the last axis x, and counts from -1 to 1 over the block.
    unit = (matrix * np.array(patch)[None, None, :] / block[None, :, None])[:, ::-1, ::-1]
    theta = torch.from_numpy(np.concatenate([unit, np.zeros((*unit.shape[:2], 1))], axis=2)).float()
    grid = F.affine_grid(theta.to(image.device), [len(image), 1, *patch], align_corners=False)
    moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    nearest = F.grid_sample(
        label[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    return moved, nearest[:, 0].to(label.dtype)


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


def _log_uniform(rng: np.random.Generator, between: tuple[float, float], n: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(between[0]), np.log(between[1]), n))


def _gamma(image: Tensor, exponent: Tensor) -> Tensor:
    axes = tuple(range(1, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    extent = (high - low).clamp(min=1e-6)
    return ((image - low) / extent).clamp_(0, 1).pow_(exponent).mul_(extent).add_(low)
