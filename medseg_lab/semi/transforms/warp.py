"""Elastic deformation that can be undone.

A smooth random velocity field v is integrated for a unit of time (Arsigny et al. 2006, "scaling and
squaring"), which gives a smooth one-to-one map exp(v), whose inverse is exp(-v).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CONTROL = 16
DISPLACEMENT = 3.0
SQUARINGS = 6


@dataclass(frozen=True)
class Warp:
    """A map of each patch onto itself, and its inverse, as displacements in voxels.

    Args:
        displacement: u, `(N, d, *S)`: the warped image at p is the image at p + u(p).
        inverse_displacement: the same of the map that undoes it.
    """

    displacement: Tensor
    inverse_displacement: Tensor

    def __call__(self, maps: Tensor) -> Tensor:
        """`maps` `(N, C, *S)`, warped linearly; zeros come in from beyond. Differentiable in `maps`."""
        return pull(maps, self.displacement)

    @property
    def inverse(self) -> "Warp":
        """The warp that undoes this one."""
        return Warp(self.inverse_displacement, self.displacement)

    def then(self, second: "Warp") -> "Warp":
        """This warp, and `second` applied to what it gives, as one: maps are interpolated once only."""
        return Warp(
            _composed(self.displacement, second.displacement),
            _composed(second.inverse_displacement, self.inverse_displacement),
        )

    def inside(self, maps: Tensor) -> Tensor:
        """The voxels of `self(maps)` that come from within the patch: `(N, *S)`, booleans."""
        return self(torch.ones_like(maps[:, :1]))[:, 0] > 1 - 1e-4


def draw_warp(like: Tensor, displacement: float = DISPLACEMENT, control: int = CONTROL) -> Warp:
    """A random warp for each patch of `like` `(N, C, *S)`, from PyTorch's global generator.

    Args:
        like: its shape and device count.
        displacement: standard deviation of the velocity at its control points, in voxels.
        control: voxels from one control point to the next.
    """
    n, shape = len(like), like.shape[2:]
    points = [max(2, round(edge / control) + 1) for edge in shape]
    coarse = displacement * torch.randn((n, len(shape), *points), device=like.device)
    mode = {2: "bicubic", 3: "trilinear"}[len(shape)]
    velocity = F.interpolate(coarse, size=shape, mode=mode, align_corners=True)
    return Warp(_integrated(velocity), _integrated(-velocity))


def pull(maps: Tensor, displacement: Tensor, padding: str = "zeros") -> Tensor:
    """`maps` `(N, C, *S)` at p + u(p), between voxels linearly; u is `(N, d, *S)` in voxels."""
    shape = maps.shape[2:]
    axes = [torch.arange(edge, device=maps.device, dtype=displacement.dtype) for edge in shape]
    place = torch.stack(torch.meshgrid(*axes, indexing="ij")) + displacement
    # grid_sample wants the last axis first, and counts from -1 to 1 over the outer faces of the voxels
    edges = torch.tensor(shape, device=maps.device).view(-1, *[1] * len(shape))
    grid = ((2 * place + 1) / edges - 1).flip(1).movedim(1, -1)
    return F.grid_sample(maps, grid.to(maps.dtype), padding_mode=padding, align_corners=False)


def _composed(first: Tensor, second: Tensor) -> Tensor:
    """The displacement of p -> q + u_first(q), with q = p + u_second(p)."""
    return second + pull(first, second, padding="border")


def _integrated(velocity: Tensor) -> Tensor:
    """The displacement of exp(v): a 2^-n of the way, doubled n times."""
    found = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        found = _composed(found, found)
    return found
