"""Images as another scanner would have made them: functions of prepared patches, of any data (section 5.4).

Each mimics a shift that the virtual subjects have as a variant (`data/cards/virtual-brain.toml`); a strength
of 1 is about that variant, and 0 changes nothing. Prepared images have mean 0 and standard deviation 1, and
so would those of the other scanner; so `as_from_another_scanner` gives each channel of a patch the mean and
standard deviation that it had.

What air is, and what the brightest voxel, a prepared patch does not say: here they are the smallest and
largest value of each of its channels, as in nnU-Net's gamma [46].
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.scan import slice_profile

Shift = Literal["contrast", "bias", "noise", "slices"]

CURVE = 2.0
"""a of the curve (1 + a) x / (1 + a x) at strength 1. The variant's mean tissue intensities are those of the
T1 scan under a = 1.7, and those of the four contrasts of a tumour under 1.6 to 3."""
LOG_GAIN = 0.65
"""Standard deviation of the coil's log-gain at strength 1. The variant's field reaches +-1.3 on a head, where
that of the plain subjects reaches .65: the independent rest is 1.1, or .65 as a standard deviation."""
BIAS_MM = 70.0
"""Over so many millimetres the coil's field varies, as in the virtual subjects."""
NOISE = 0.4
"""Standard deviation of the noise added at strength 1, over that of the image: the variant's .145, less what
a plain scan has, over the standard deviation of a scan, .23 to .3."""
SLICE_MM = 6.3
"""Width of the box that a voxel is averaged over at strength 1: of a slice of 3 mm it makes one of 7."""


def as_from_another_scanner(
    image: Tensor, shift: Shift, strength: float, cases: Sequence[int], spacing: Sequence[float] = ()
) -> Tensor:
    """Patches `(N, C, *S)` from another scanner; each channel keeps its mean and standard deviation.

    Args:
        image: prepared patches.
        shift: what the scanner does otherwise: `saturated`, `brightened`, `noisier` or `thicker`.
        strength: 0 for the patches as they are; 1 for what the virtual variant does.
        cases: the case of each patch: all patches of a case have the same field of the coil.
        spacing: of the voxels along each axis of S, in mm; where it is not known, 1.
    """
    if strength == 0:
        return image
    edges = tuple(spacing) or (1.0,) * (image.ndim - 2)
    match shift:
        case "contrast":
            found = saturated(image, CURVE * strength)
        case "bias":
            found = brightened(image, LOG_GAIN * strength * coil_fields(image, cases, edges))
        case "noise":
            found = noisier(image, NOISE * strength)
        case "slices":
            found = thicker(image, SLICE_MM * strength / edges[-1])
    return standardised_as(found, image)


def saturated(image: Tensor, a: float) -> Tensor:
    """x -> (1 + a) x / (1 + a x), where x runs from 0 at the smallest to 1 at the largest value of a channel.

    The curve rises everywhere, so the order of grey values is kept: dark ones are a factor 1 + a further
    apart, bright ones as much closer.
    """
    low, high = (of(image, dim=_space(image), keepdim=True) for of in (torch.amin, torch.amax))
    width = (high - low).clamp(min=1e-6)
    x = (image - low) / width
    return low + width * (1 + a) * x / (1 + a * x)


def brightened(image: Tensor, log_gain: Tensor) -> Tensor:
    """Each voxel's distance to the smallest value of its channel, times exp(log_gain) `(N, 1, *S)`."""
    low = image.amin(dim=_space(image), keepdim=True)
    return low + (image - low) * log_gain.exp()


def noisier(image: Tensor, deviation: float) -> Tensor:
    """Noise of so many standard deviations of the image added, from PyTorch's global generator."""
    spread = image.std(dim=_space(image), correction=0, keepdim=True)
    return image + deviation * spread * torch.randn_like(image)


def thicker(image: Tensor, width: float) -> Tensor:
    """The mean over `width` voxels (at least one) along the last axis.

    That is the axis of the slices in a volume of the virtual subjects. In a slice it lies in the plane: the
    scan was taken across it, in another plane.
    """
    rows = image.reshape(-1, 1, image.shape[-1])
    return slice_profile(rows, width).reshape(image.shape)


def coil_fields(image: Tensor, cases: Sequence[int], spacing: Sequence[float]) -> Tensor:
    """For each patch a smooth field `(N, 1, *S)` of about N(0, 1), which depends on its case alone."""
    shape = tuple(image.shape[2:])
    deep = (1,) * (3 - len(shape)) + shape  # a slice is a volume of one
    scale = BIAS_MM / float(np.mean(spacing))
    fields = [smooth_noise(np.random.default_rng([case, 54]), 1, deep, scale) for case in cases]
    return torch.stack(fields).reshape(len(cases), 1, *shape).to(image)


def standardised_as(image: Tensor, other: Tensor) -> Tensor:
    """`image` with the mean and standard deviation of `other` in each channel `(N, C)`."""
    means, spreads = (
        [of(one, dim=_space(one), keepdim=True) for one in (image, other)] for of in (torch.mean, _std)
    )
    return (image - means[0]) / spreads[0].clamp(min=1e-6) * spreads[1] + means[1]


def distance(image: Tensor, other: Tensor) -> Tensor:
    """How far apart two versions of patches are: the root mean square, over the spread of the first."""
    apart = (image - other).square().mean(dim=_space(image)).sqrt()
    return (apart / _std(image, dim=_space(image)).clamp(min=1e-6)).mean()


def _std(image: Tensor, dim: tuple[int, ...], keepdim: bool = False) -> Tensor:
    return image.std(dim=dim, correction=0, keepdim=keepdim)


def _space(image: Tensor) -> tuple[int, ...]:
    return tuple(range(2, image.ndim))
