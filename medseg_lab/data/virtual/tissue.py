"""The anatomy that all subjects share, and one person's tissues made from it."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.settings import VirtualSettings
from medseg_lab.data.virtual.templates import templates


@cache
def anatomy(resolution: int) -> Tensor:
    """The template's tissue shares and the T1 intensity that they leave unexplained, `(4, *S)`."""
    maps = torch.from_numpy(templates(resolution).copy())
    shares = maps[:3] / maps[:3].sum(0).clamp(min=1)
    a, b = shares.flatten(1).double(), maps[3].flatten().double()
    means = torch.linalg.solve(a @ a.T, a @ b).float()
    return torch.cat([shares, maps[3:] - torch.einsum("k,kxyz->xyz", means, shares)[None]])


def sharpen(shares: Tensor, rng: np.random.Generator, settings: VirtualSettings) -> Tensor:
    """Shares `(3, *S)` of one person rather than of an average, with borders moved at random."""
    moved = smooth_noise(
        rng, 3, tuple(shares.shape[1:]), settings.border_mm / settings.resolution, settings.border
    )
    rest = (1 - shares.sum(0)).clamp_(min=1e-4).pow_(settings.sharpness)
    weights = shares.clamp(min=1e-4).pow_(settings.sharpness).mul_(moved.exp_())
    return weights / (weights.sum(0) + rest)
