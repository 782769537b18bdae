"""Quarter turns, flips and a scale: T of TCSM [21]."""

from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = (0.8, 1.25)


@dataclass(frozen=True)
class Similarity:
    """First a scale about the centre, then turns, then flips; the same for all patches of a batch.

    Args:
        turns: `(first axis, second axis, quarters)` of S, one after the other. A plane whose edges differ can
            be turned by half turns only.
        flipped: the axes of S that are reversed.
        scale: size of the content; 1 keeps it, and then nothing is interpolated.
    """

    turns: tuple[tuple[int, int, int], ...] = ()
    flipped: tuple[int, ...] = ()
    scale: float = 1.0

    def __call__(self, maps: Tensor) -> Tensor:
        """`maps` `(N, C, *S)`, transformed; zeros come in from beyond."""
        out = self._scaled(maps, self.scale)
        for first, second, quarters in self.turns:
            out = out.rot90(quarters, (first + 2, second + 2))
        return out.flip([axis + 2 for axis in self.flipped])

    def inverse(self, maps: Tensor) -> Tensor:
        """The way back; what a scale above 1 pushed out of the patch is lost."""
        out = maps.flip([axis + 2 for axis in self.flipped])
        for first, second, quarters in reversed(self.turns):
            out = out.rot90(-quarters, (first + 2, second + 2))
        return self._scaled(out, 1 / self.scale)

    def inside(self, maps: Tensor) -> Tensor:
        """The voxels of `self(maps)` that come from within the patch: `(1, *S)`, booleans."""
        return self(torch.ones_like(maps[:1, :1]))[:, 0] > 1 - 1e-4

    @staticmethod
    def _scaled(maps: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return maps
        d = maps.ndim - 2
        theta = torch.cat((torch.eye(d) / scale, torch.zeros(d, 1)), dim=1).to(maps)
        # under autocast the grid would be bfloat16: an eighth of a voxel coarse on a patch of 64
        with torch.autocast(maps.device.type, enabled=False):
            grid = F.affine_grid(theta.expand(len(maps), d, d + 1), list(maps.shape), align_corners=False)
        return F.grid_sample(maps, grid, align_corners=False)


def draw_similarity(
    shape: tuple[int, ...], mirror: tuple[int, ...], scale: tuple[float, float] = SCALE
) -> Similarity:
    """A random one for patches of `shape`, from PyTorch's global generator.

    Every plane is turned by 0 to 3 quarters (0 or 2 where its edges differ), every axis in `mirror` flipped
    or not, and the scale is drawn evenly in its logarithm. A patient who lies in another way is still the
    same; a mirrored one has the heart on the right. So all data is turned, and flipped where its card allows.
    """
    turns = []
    for first, second in combinations(range(len(shape)), 2):
        step = 1 if shape[first] == shape[second] else 2
        turns.append((first, second, step * int(torch.randint(4 // step, ()))))
    flipped = tuple(axis for axis in mirror if torch.rand(()) < 0.5)
    low, high = scale
    return Similarity(tuple(turns), flipped, low * (high / low) ** float(torch.rand(())))
