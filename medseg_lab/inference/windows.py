"""A function of patches, applied to whole images by overlapping windows."""

from collections.abc import Callable, Sequence
from itertools import product
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

Look = Callable[[Tensor], Tensor]
Place = tuple[slice, ...]
SIGMA = 1 / 8
"""Standard deviation of the Gaussian weights, as a share of the window's edge (nnU-Net [46])."""
LEAST = 1e-3
"""The smallest weight: corners of a window count at least so much."""


def by_windows(look: Look, images: Tensor, window: Sequence[int], overlap: float, together: int) -> Tensor:
    """The maps that `look` makes of patches, put together to maps of whole images.

    Where windows overlap their maps are averaged with Gaussian weights. An image smaller than the window is
    padded with 0 on both sides, and its maps are cropped back.

    Args:
        look: from patches `(n, C, *window)`, n at most `together`, to M maps of each, `(n, M, *window)`.
        images: `(N, C, *S)`.
        window: edge lengths in voxels.
        overlap: the share of a window that its neighbour covers, too; 0 to below 1.
        together: how many windows go through `look` at once.

    Returns:
        `(N, M, *S)`.
    """
    shape = images.shape[2:]
    before = [max(w - s, 0) // 2 for s, w in zip(shape, window, strict=True)]
    after = [max(w - s, 0) - b for s, w, b in zip(shape, window, before, strict=True)]
    if any(after):
        images = F.pad(images, [p for pair in zip(before[::-1], after[::-1], strict=True) for p in pair])
    where = places(images.shape[2:], window, overlap)
    if len(where) == 1:
        found = torch.cat([look(some) for some in images.split(together)])
    else:
        found = _averaged(look, images, window, where, together)
    inside = [slice(b, b + s) for b, s in zip(before, shape, strict=True)]
    return found[:, :, *inside]


def places(shape: Sequence[int], window: Sequence[int], overlap: float) -> list[Place]:
    """Where windows lie on an image at least as large: at equal steps, the last one at the far border."""
    starts = []
    for size, edge in zip(shape, window, strict=True):
        step = max(1, int(edge * (1 - overlap)))
        starts.append([min(i * step, size - edge) for i in range(ceil((size - edge) / step) + 1)])
    return [
        tuple(slice(a, a + w) for a, w in zip(corner, window, strict=True)) for corner in product(*starts)
    ]


def weights(window: Sequence[int], like: Tensor) -> Tensor:
    """How much each voxel of a window counts, `(*window)`: a Gaussian about its middle, at least `LEAST`."""
    found = like.new_ones(())
    for edge in window:
        distance = torch.arange(edge, device=like.device, dtype=like.dtype) - (edge - 1) / 2
        found = found[..., None] * (-((distance / (SIGMA * edge)) ** 2) / 2).exp()
    return found.clamp(min=LEAST)


def _averaged(
    look: Look, images: Tensor, window: Sequence[int], where: Sequence[Place], together: int
) -> Tensor:
    """The weighted mean of the maps of all windows, `(N, M, *S)`."""
    counts = weights(window, images)
    total = images.new_zeros(images.shape[2:])
    for place in where:
        total[place] += counts
    found = images.new_empty(0)
    jobs = list(product(range(len(images)), where))
    for first in range(0, len(jobs), together):
        some = jobs[first : first + together]
        maps = look(torch.stack([images[n][:, *place] for n, place in some]))
        if first == 0:  # only now it is known how many maps there are
            found = maps.new_zeros(len(images), maps.shape[1], *images.shape[2:])
        for (n, place), new in zip(some, maps, strict=True):
            found[n][:, *place].addcmul_(new, counts)
    return found.div_(total)
