"""Bounding boxes: where a step of a cascade looks."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from scipy.ndimage import label
from torch import Tensor

Box = tuple[slice, ...]
"""From the first voxel along each axis to the one behind the last."""


def box_of(mask: Tensor, margin: int = 0) -> Box | None:
    """The smallest box around what is marked, grown by a margin and cut at the image's border.

    Args:
        mask: `(*S)`, bool.
        margin: voxels along each axis, on both sides.

    Returns:
        None where nothing is marked.
    """
    marked = mask.nonzero()  # (voxels, axes)
    if not len(marked):
        return None
    ends = zip(marked.amin(0).tolist(), marked.amax(0).tolist(), mask.shape, strict=True)
    return tuple(slice(max(low - margin, 0), min(high + 1 + margin, size)) for low, high, size in ends)


def whole(shape: Sequence[int]) -> Box:
    """The box that holds an image of shape `(*S)`."""
    return tuple(slice(0, size) for size in shape)


def resized(box: Box, edges: Sequence[int], shape: Sequence[int]) -> Box:
    """A box with other edges about the same middle, moved to lie within an image of shape `(*S)`."""
    found = []
    for side, edge, size in zip(box, edges, shape, strict=True):
        start = min(max((side.start + side.stop - edge) // 2, 0), size - edge)
        found.append(slice(start, start + edge))
    return tuple(found)


def alike(boxes: Sequence[Box | None], shape: Sequence[int]) -> list[Box]:
    """Boxes of one size, for the samples of a batch, each of shape `(*S)`.

    All get the longest edges that one of them has along each axis, so a smaller box has a wider margin. A
    sample without a box gets one in its middle; where none has a box, all are whole.
    """
    known = [box for box in boxes if box is not None] or [whole(shape)]
    edges = [max(side.stop - side.start for side in sides) for sides in zip(*known, strict=True)]
    return [resized(whole(shape) if box is None else box, edges, shape) for box in boxes]


def cut_out(maps: Tensor, boxes: Sequence[Box]) -> Tensor:
    """A box of each sample, all of one size, as a batch: `(N, ..., *S)` to `(N, ..., *edges)`."""
    return torch.stack([one[(..., *box)] for one, box in zip(maps, boxes, strict=True)])


def without_islands(mask: Tensor, share: float = 0.1) -> Tensor:
    """A mask `(*S)` without the components (by faces) that have less than a share of the largest's voxels."""
    parts, count = label(mask.cpu().numpy())
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())[1:]
    large = np.flatnonzero(sizes >= share * sizes.max()) + 1
    return torch.from_numpy(np.isin(parts, large)).to(mask.device)


def share_inside(mask: Tensor, box: Box | None) -> Tensor:
    """The share of the marked voxels of `(*S)` that a box holds; NaN where nothing is marked."""
    held = mask[box].sum() if box is not None else mask.new_zeros((), dtype=torch.int64)
    return held / mask.sum()


def overlap(one: Box | None, other: Box | None) -> float:
    """The share of what lies in either box that lies in both (IoU): 1 if there are none, 0 for one alone."""
    if one is None or other is None:
        return float(one is other)
    sides = list(zip(one, other, strict=True))
    both = prod(max(min(a.stop, b.stop) - max(a.start, b.start), 0) for a, b in sides)
    return both / (sum(prod(side.stop - side.start for side in box) for box in (one, other)) - both)
