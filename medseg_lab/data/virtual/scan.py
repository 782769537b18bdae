"""Simulated scans of tissue shares: means, texture, bias field, slice thickness, noise.

One T1 scan, or four registered contrasts of a brain with tumours.

References: Cocosco et al., "BrainWeb" (1997) for a simulated scan as tissue means over partial volumes;
Gudbjartsson & Patz (1995) for Rician noise.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.settings import Ranges, VirtualSettings

CHANNELS = ("FLAIR", "T1", "T1 with contrast agent", "T2")

SHOWN = (-0.4, 1.0, 1.0, -0.7)
"""Weight of the template's own T1 intensity in each contrast: what is bright in T1 is dark in T2."""

MOTTLE = (0.08, 0.05, 0.14, 0.12)
"""Standard deviation of the mottled intensity inside tumours, in each contrast."""

MOTTLE_MM = 4.0


def scan(
    shares: Tensor,
    residual: Tensor,
    rng: np.random.Generator,
    settings: VirtualSettings,
    means: Ranges | None = None,
) -> Tensor:
    """A simulated brain-extracted image `(*S)` of tissue shares `(L, *S)`.

    Args:
        shares: of each voxel; the rest to 1 is air.
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
    # Term by term: a convolution would pad one channel to blocks of 16, which takes 16 times the memory.
    mean = torch.zeros_like(image)
    for i, weight in enumerate(kernel.tolist()):
        mean.add_(padded[..., i : i + image.shape[-1]], alpha=weight)
    return mean


def contrasts(
    tissue: Tensor,
    nested: Tensor,
    residual: Tensor,
    rngs: list[np.random.Generator],
    settings: VirtualSettings,
) -> Tensor:
    """Images `(4, *S)`, each with its own intensities, bias field, slices and noise.

    Args:
        tissue: CSF, grey and white shares `(3, *S)`, with tumour counted as the grey and white it replaces.
        nested: memberships of whole tumour, core, enhancing tumour `(3, *S)`.
        residual: the template's unexplained intensity `(*S)`.
        rngs: one for each contrast.
        settings: the scanner's.
    """
    wt, tc, et = nested
    # Tumour takes the place of grey and white matter, in proportion.
    left = 1 - wt / tissue[1:].sum(0).clamp(min=1e-6)
    shares = torch.stack([tissue[0], tissue[1] * left, tissue[2] * left, wt - tc, tc - et, et])
    images = []
    means = (settings.contrasts.flair, settings.contrasts.t1, settings.contrasts.t1ce, settings.contrasts.t2)
    for rng, ranges, shown, mottle in zip(rngs, means, SHOWN, MOTTLE, strict=True):
        patches = smooth_noise(rng, 1, tuple(residual.shape), MOTTLE_MM / settings.resolution, mottle)[0]
        extra = shown * residual * (1 - wt) + patches * (0.4 * wt + 0.6 * tc + 0.5 * et)
        images.append(scan(shares, extra, rng, settings, ranges))
    return torch.stack(images)
