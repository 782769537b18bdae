"""A simulated scan of tissue shares: means, texture, bias field, slice thickness, noise.

References: Cocosco et al., "BrainWeb" (1997) for a simulated scan as tissue means over partial volumes;
Gudbjartsson & Patz (1995) for Rician noise.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.ranges import Ranges
from medseg_lab.data.virtual.settings import VirtualSettings


def scan(
    shares: Tensor,
    residual: Tensor,
    rng: np.random.Generator,
    settings: VirtualSettings,
    means: Ranges | None = None,
) -> Tensor:
    """A simulated brain-extracted image `(*S)` of tissue shares `(L, *S)`.

    Args:
        shares: of each voxel; what is missing to 1 is air.
        residual: intensity `(*S)` that the shares do not explain.
        rng: of this scan alone.
        settings: the scanner.
        means: the range of each share's mean intensity; the settings' own, of a T1 scan, if absent.
    """
    shape = tuple(residual.shape)
    drawn = torch.tensor([rng.uniform(*r) for r in means or settings.means], dtype=torch.float32)
    local = smooth_noise(rng, len(shares), shape, settings.drift_mm / settings.resolution, settings.drift)
    image = local.add_(drawn[:, None, None, None]).mul_(shares).sum(0) + settings.texture * residual
    field = smooth_noise(rng, 1, shape, settings.bias_mm / settings.resolution)[0]
    gain = rng.uniform(*settings.bias)
    low, high = field.min(), field.max()
    image *= torch.exp(gain * (2 * (field - low) / (high - low) - 1))
    image = slice_profile(image, rng.uniform(*settings.thickness_mm) / settings.resolution)
    noise = torch.from_numpy(rng.standard_normal((2, *shape), dtype=np.float32)) * rng.uniform(
        *settings.noise
    )
    return torch.hypot(image + noise[0], noise[1])


def slice_profile(image: Tensor, width: float) -> Tensor:
    """`image` averaged along its last axis over `width` voxels (at least one), its edges in part."""
    half = max(width, 1.0) / 2
    reach = int(np.ceil(half - 0.5))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = (half + 0.5 - offsets.abs()).clamp(0, 1)
    kernel /= kernel.sum()
    padded = F.pad(image[None, None], (reach, reach, 0, 0, 0, 0), mode="replicate")[0, 0]
    # Term by term: a convolution of one channel is laid out in blocks of 16, which takes 16 times the memory.
    mean = torch.zeros_like(image)
    for i, weight in enumerate(kernel.tolist()):
        mean.add_(padded[..., i : i + image.shape[-1]], alpha=weight)
    return mean
