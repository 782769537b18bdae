"""Where a planned U-Net halves which axis, and how far its kernels reach (nnU-Net [46])."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

LEAST = 4
"""An axis is halved while its edge stays at least so long."""
ALIKE = 2.0
"""Voxels less than so many times as long as the finest are halved with it, and joined by kernels of 3."""


@dataclass(frozen=True)
class Topology:
    """The levels of a U-Net.

    Args:
        strides: for each level after the first, how many times coarser it is than the one before, by axis.
        kernels: of each level, by axis.
    """

    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]

    @property
    def multiple(self) -> tuple[int, ...]:
        """How many times coarser the coarsest level is than the image, by axis."""
        ones = (1,) * len(self.kernels[0])
        return tuple(prod(of_axis) for of_axis in zip(ones, *self.strides, strict=True))

    def padded(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A shape rounded up to what can be halved so often."""
        return tuple(edge + -edge % each for edge, each in zip(shape, self.multiple, strict=True))

    def features(self, width: int) -> tuple[int, ...]:
        """Channels of each level: doubled up to 320 in 3D, 512 in 2D."""
        most = 320 if len(self.kernels[0]) == 3 else 512
        return tuple(min(width * 2**level, most) for level in range(len(self.kernels)))


def topology(spacing: Sequence[float], shape: Sequence[int]) -> Topology:
    """The levels for a patch.

    Axes are halved together, again and again. An axis waits while its voxels are still `ALIKE` times as long
    as the finest of those that can be halved, so that voxels become cubes; and it stops where halving would
    leave fewer than `LEAST` voxels. The last axis left alone is halved only if 3/2 of `LEAST` remain. A
    kernel spans 3 voxels of an axis once these are less than `ALIKE` times as long as the finest, and all of
    them on the coarsest level; 1 before.

    Args:
        spacing: millimetres along each axis.
        shape: of the patch, in voxels.
    """
    edges, lengths = list(shape), list(spacing)
    reach = [1] * len(edges)
    strides, kernels = [], []
    while axes := _halved(edges, lengths):
        reach = [
            3 if kept == 3 or length < ALIKE * min(lengths) else 1
            for kept, length in zip(reach, lengths, strict=True)
        ]
        kernels.append(tuple(reach))
        strides.append(tuple(2 if axis in axes else 1 for axis in range(len(edges))))
        edges = [-(-edge // stride) for edge, stride in zip(edges, strides[-1], strict=True)]
        lengths = [length * stride for length, stride in zip(lengths, strides[-1], strict=True)]
    return Topology(tuple(strides), (*kernels, (3,) * len(edges)))


def _halved(edges: Sequence[int], lengths: Sequence[float]) -> set[int]:
    """The axes that are halved next; none where the coarsest level is reached."""
    long = [axis for axis, edge in enumerate(edges) if edge >= 2 * LEAST]
    if not long:
        return set()
    finest = min(lengths[axis] for axis in long)
    found = {axis for axis in long if lengths[axis] < ALIKE * finest}
    alone = len(found) == 1 and max(edges[axis] for axis in found) < 3 * LEAST
    return set() if alone else found
