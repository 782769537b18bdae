"""Smooth invertible deformations of the anatomy.

Reference: Arsigny et al., "A log-Euclidean framework for statistics on diffeomorphisms" (MICCAI 2006), for
the exponential of a velocity field by scaling and squaring.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.settings import VirtualSettings

FLOW_MM = 8
"""Edge of the grid on which the deformation is integrated."""


def deformation(rng: np.random.Generator, shape: tuple[int, ...], settings: VirtualSettings) -> Tensor:
    """Where each voxel is taken from, as a grid for `grid_sample`, `(1, *S, 3)`; its Jacobian is positive.

    An affine map after a flow; the flow is smooth over many voxels, so a grid of 8 mm is enough for it.
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
