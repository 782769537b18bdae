"""An image larger than memory: windows in their order, and finished slabs handed out as they come."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.inference.windows import Look, Place, places, weights

Read = Callable[[Place], Tensor]
"""From a place in an image to what is there, `(C, *edges)`, float32."""


def by_slabs(
    look: Look,
    read: Read,
    shape: Sequence[int],
    window: Sequence[int],
    overlap: float,
    together: int,
    sliced: bool = False,
) -> Iterator[Tensor]:
    """What `by_windows` makes of an image, slab by slab along its first axis, to the same bits.

    At any time there are the maps of as many rows as a window is long, and the image is read window by
    window.

    Args:
        look, overlap, together: as in `by_windows`.
        read: gives the image.
        shape: S of the image.
        window: edge lengths in voxels.
        sliced: whether the first axis counts images, whose windows lack it: slices of a volume.

    Yields:
        `(M, rows, *S[1:])`, from the first row to the last.
    """
    edges = (1, *window) if sliced else tuple(window)
    before = [max(w - s, 0) // 2 for s, w in zip(shape, edges, strict=True)]
    padded = [max(w, s) for s, w in zip(shape, edges, strict=True)]
    where = places(padded, edges, overlap)
    alone = len(where) == (padded[0] if sliced else 1)
    inside = [slice(b, b + s) for b, s in zip(before[1:], shape[1:], strict=True)]
    done, found, total, counts = 0, torch.empty(0), torch.empty(0), torch.empty(0)
    for first in range(0, len(where), together):
        some = where[first : first + together]
        patches = torch.stack([_padded(read, place, before, shape) for place in some])
        maps = look(patches.squeeze(2) if sliced else patches)
        maps = maps.unsqueeze(2) if sliced else maps
        following = where[first + together][0].start if first + together < len(where) else padded[0]
        if alone:
            ready = maps.movedim(0, 1).flatten(1, 2)
        else:
            if first == 0:  # only now it is known how many maps there are
                counts = weights(edges, maps)
                found, total = maps.new_zeros(maps.shape[1], 0, *padded[1:]), maps.new_zeros(0, *padded[1:])
            missing = some[-1][0].stop - done - len(total)
            if missing > 0:
                found = torch.cat([found, found.new_zeros(len(found), missing, *padded[1:])], dim=1)
                total = torch.cat([total, total.new_zeros(missing, *padded[1:])])
            for (rows, *rest), new in zip(some, maps, strict=True):
                at = (slice(rows.start - done, rows.stop - done), *rest)
                total[at] += counts
                found[:, *at].addcmul_(new, counts)
            ready = found[:, : following - done] / total[: following - done]
            found, total = found[:, following - done :].clone(), total[following - done :].clone()
        start, stop = max(done, before[0]), min(done + ready.shape[1], before[0] + shape[0])
        if start < stop:
            yield ready[:, start - done : stop - done, *inside]
        done += ready.shape[1]


def _padded(read: Read, place: Place, before: Sequence[int], shape: Sequence[int]) -> Tensor:
    """What is at a place of the padded image: 0 outside the image."""
    inside = tuple(
        slice(max(p.start - b, 0), min(p.stop - b, s)) for p, b, s in zip(place, before, shape, strict=True)
    )
    there = read(inside)
    ends = [
        (i.start + b - p.start, p.stop - i.stop - b) for i, p, b in zip(inside, place, before, strict=True)
    ]
    return F.pad(there, [n for pair in ends[::-1] for n in pair]) if any(map(any, ends)) else there
