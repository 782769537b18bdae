"""Random fields that vary smoothly over space."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 4
"""Knots beyond either edge of the box, in standard deviations of the kernel."""


def smooth_noise(
    rng: np.random.Generator, channels: int, shape: tuple[int, ...], scale: float, strength: float = 1.0
) -> Tensor:
    """Random fields `(channels, *S)` of standard deviation about `strength` that vary over `scale` voxels.

    White noise on a grid of that spacing, averaged over neighbours and interpolated.
    """
    knots = [int(np.ceil(n / scale)) + 2 for n in shape]
    noise = torch.from_numpy(rng.standard_normal((1, channels, *knots), dtype=np.float32))
    noise = F.avg_pool3d(noise, 2, stride=1) * (np.sqrt(8) * strength)
    return F.interpolate(noise, size=shape, mode="trilinear", align_corners=True)[0]


def unit_field(rng: np.random.Generator, channels: int, shape: tuple[int, ...], scale: float) -> Tensor:
    """Gaussian fields `(channels, *S)`: N(0, 1) at every voxel exactly, not in the mean over voxels.

    White noise on a grid of knots, weighted by a separable Gaussian kernel whose weights are normed for each
    voxel, so that their squares sum to one. At a distance of d voxels the correlation is exp(-d²/2 scale²),
    up to 1e-3.
    """
    kernels = [normed_kernel(n, scale) for n in shape]
    knots = [kernel.shape[1] for kernel in kernels]
    field = torch.from_numpy(rng.standard_normal((channels, *knots), dtype=np.float32))
    for kernel in reversed(kernels):
        # The last axis of knots becomes voxels and moves to the front of the spatial axes.
        field = torch.einsum("cxyk,nk->cnxy", field, kernel)
    return field


def normed_kernel(voxels: int, scale: float) -> Tensor:
    """Weights `(voxels, knots)` of a Gaussian kernel along one axis; each row has norm 1."""
    deviation = scale / np.sqrt(2)
    reach = MARGIN * deviation
    knots = np.arange(-reach, voxels - 1 + reach + deviation, deviation)
    weights = np.exp(-((np.arange(voxels)[:, None] - knots) ** 2) / (2 * deviation**2))
    return torch.from_numpy(weights / np.linalg.norm(weights, axis=1, keepdims=True)).float()
