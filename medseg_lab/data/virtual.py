"""Virtual subjects: one anatomy, warped and imaged anew for every index.

A subject is the ICBM152 tissue maps under a smooth invertible deformation, with local changes of the tissue
borders; its label is the tissue with the largest share; its image is a simulated T1 scan of those shares:
tissue means, texture, bias field, slice thickness, Rician noise. All is a pure function of (seed, index,
settings).

References: Arsigny et al. (MICCAI 2006) for the exponential of a velocity field by scaling and squaring;
Cocosco et al., "BrainWeb" (1997) for a simulated scan as tissue means over partial volumes; Gudbjartsson &
Patz (1995) for Rician noise. The ranges in `VirtualSettings` are ours.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.templates import templates

CLASSES = ("background", "CSF", "grey matter", "white matter")

FLOW_MM = 8
"""Edge of the grid on which the deformation is integrated."""


@dataclass(frozen=True)
class VirtualSettings:
    """How virtual subjects vary; pairs are ranges of a uniform draw, single numbers are standard deviations.

    Args:
        resolution: voxel edge in mm (1, 2 or 4).
        velocity_mm: strength of the deformation at each of the scales `velocity_scale_mm`.
        rotation_deg, scale: the affine part, about each axis.
        border: local changes of the tissue borders, in units of log-odds, of correlation length `border_mm`.
        sharpness: exponent on the template's shares; 1 keeps the blur of the average over 152 people.
        means: range of each tissue's mean intensity: CSF, grey, white.
        texture: how much of the template's own within-tissue intensity shows.
        drift: smooth change of a tissue's intensity, of correlation length `drift_mm`.
        bias: largest log-gain of the coil's field, of correlation length `bias_mm`.
        noise: standard deviation of the complex noise in either channel.
        thickness_mm: width of the slice profile along the last axis.
    """

    resolution: int = 2
    velocity_mm: tuple[float, ...] = (4.0, 2.5)
    velocity_scale_mm: tuple[float, ...] = (40.0, 16.0)
    rotation_deg: float = 4.0
    scale: tuple[float, float] = (0.9, 1.02)
    border: float = 0.5
    border_mm: float = 8.0
    sharpness: float = 2.0
    means: tuple[tuple[float, float], ...] = ((0.22, 0.38), (0.58, 0.68), (0.82, 0.94))
    texture: float = 0.6
    drift: float = 0.04
    drift_mm: float = 20.0
    bias: tuple[float, float] = (0.45, 0.85)
    bias_mm: float = 70.0
    noise: tuple[float, float] = (0.04, 0.075)
    thickness_mm: tuple[float, float] = (2.0, 4.0)


def subject(seed: int, index: int, settings: VirtualSettings | None = None) -> tuple[Tensor, Tensor]:
    """Subject `index` of the population `seed`: image `(X, Y, Z)` float32 in about [0, 1.5], label uint8.

    Labels are positions in `CLASSES`; spacing is `settings.resolution` mm along each axis.
    """
    settings = settings or VirtualSettings()
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    maps = anatomy(settings.resolution)
    shape = tuple(maps.shape[1:])
    warped = F.grid_sample(maps[None], deformation(rng, shape, settings), align_corners=False)[0]
    shares = sharpen(warped[:3], rng, settings)
    image = scan(shares, warped[3], rng, settings)
    # One tissue is the label where it outweighs the background and the other two.
    largest, tissue = shares.max(0)
    return image, torch.where(largest > 1 - shares.sum(0), tissue + 1, 0).to(torch.uint8)


@cache
def anatomy(resolution: int) -> Tensor:
    """The template's tissue shares and the T1 intensity that they leave unexplained, `(4, *S)`."""
    maps = torch.from_numpy(templates(resolution).copy())
    shares = maps[:3] / maps[:3].sum(0).clamp(min=1)
    a, b = shares.flatten(1).double(), maps[3].flatten().double()
    means = torch.linalg.solve(a @ a.T, a @ b).float()
    return torch.cat([shares, maps[3:] - torch.einsum("k,kxyz->xyz", means, shares)[None]])


def deformation(rng: np.random.Generator, shape: tuple[int, ...], settings: VirtualSettings) -> Tensor:
    """Where each voxel is fetched from, as a grid for `grid_sample`, `(1, *S, 3)`; its Jacobian is positive.

    An affine map after a flow; the flow is smooth over many voxels and so is found on a grid of 8 mm.
    """
    edges = torch.tensor([n * settings.resolution for n in shape], dtype=torch.float32)
    coarse = tuple(round(float(e) / FLOW_MM) for e in edges)
    half_edge = (edges.flip(0) / 2)[:, None, None, None]
    velocity = torch.zeros(3, *coarse)
    for strength, scale in zip(settings.velocity_mm, settings.velocity_scale_mm, strict=True):
        velocity += strength * smooth_noise(rng, 3, coarse, scale / FLOW_MM)
    flow = exponential(velocity / half_edge)
    # x, y, z of a grid are the last, middle and first axis of the volume, each from -1 to 1.
    matrix = _affine(rng, settings).flip(0, 1) * edges.flip(0) / edges.flip(0)[:, None]
    moved = torch.einsum("ij,jxyz->ixyz", matrix, flow)
    moved = F.interpolate(moved[None], size=shape, mode="trilinear", align_corners=False)
    theta = F.pad(matrix, (0, 1))[None]
    return F.affine_grid(theta, [1, 1, *shape], align_corners=False) + moved.permute(0, 2, 3, 4, 1)


def exponential(velocity: Tensor, squarings: int = 6) -> Tensor:
    """Displacement at time 1 along `velocity` `(3, *S)`, in grid_sample's units (Arsigny 2006)."""
    flow = (velocity / 2**squarings)[None]
    identity = F.affine_grid(torch.eye(3, 4)[None], [1, 1, *velocity.shape[1:]], align_corners=False)
    for _ in range(squarings):
        there = identity + flow.permute(0, 2, 3, 4, 1)
        flow = flow + F.grid_sample(flow, there, padding_mode="border", align_corners=False)
    return flow[0]


def sharpen(shares: Tensor, rng: np.random.Generator, settings: VirtualSettings) -> Tensor:
    """Shares `(3, *S)` of one person rather than of an average, with borders moved at random."""
    moved = smooth_noise(
        rng, 3, tuple(shares.shape[1:]), settings.border_mm / settings.resolution, settings.border
    )
    rest = (1 - shares.sum(0)).clamp_(min=1e-4).pow_(settings.sharpness)
    weights = shares.clamp(min=1e-4).pow_(settings.sharpness).mul_(moved.exp_())
    return weights / (weights.sum(0) + rest)


def scan(shares: Tensor, residual: Tensor, rng: np.random.Generator, settings: VirtualSettings) -> Tensor:
    """A simulated brain-extracted T1 image `(*S)` of tissue shares `(3, *S)`."""
    shape = tuple(residual.shape)
    means = torch.tensor([rng.uniform(*r) for r in settings.means], dtype=torch.float32)
    local = smooth_noise(rng, 3, shape, settings.drift_mm / settings.resolution, settings.drift)
    image = local.add_(means[:, None, None, None]).mul_(shares).sum(0) + settings.texture * residual
    field = smooth_noise(rng, 1, shape, settings.bias_mm / settings.resolution)[0]
    gain = rng.uniform(*settings.bias)
    low, high = field.min(), field.max()
    image *= torch.exp(gain * (2 * (field - low) / (high - low) - 1))
    image = _slice_profile(image, rng.uniform(*settings.thickness_mm) / settings.resolution)
    noise = torch.from_numpy(rng.standard_normal((2, *shape), dtype=np.float32)) * rng.uniform(
        *settings.noise
    )
    return torch.hypot(image + noise[0], noise[1])


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


def _affine(rng: np.random.Generator, settings: VirtualSettings) -> Tensor:
    angles = np.deg2rad(rng.normal(0, settings.rotation_deg, 3))
    matrix = np.diag(rng.uniform(*settings.scale, 3))
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        i, j = (a for a in range(3) if a != axis)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return torch.from_numpy(np.linalg.inv(matrix)).float()


def _slice_profile(image: Tensor, width: float) -> Tensor:
    """`image` averaged along its last axis over `width` voxels (at least one), its edges in part."""
    half = max(width, 1.0) / 2
    reach = int(np.ceil(half - 0.5))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = (half + 0.5 - offsets.abs()).clamp(0, 1)
    padded = F.pad(image[None, None], (reach, reach, 0, 0, 0, 0), mode="replicate")
    return F.conv3d(padded, (kernel / kernel.sum()).view(1, 1, 1, 1, -1))[0, 0]
