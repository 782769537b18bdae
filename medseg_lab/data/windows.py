"""Patches cut from cases; they may reach over a case's border."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.sources import Source, Window


def cut(
    sources: Sequence[Source],
    cases: Sequence[int],
    starts: Sequence[list[int]],
    patch: tuple[int, ...],
    device: torch.device | str,
    margin: tuple[int, ...] | None = None,
    skip: Sequence[int] | np.ndarray = (),
) -> tuple[Tensor, Tensor]:
    """Patches of `sources`, `(N, C, *P)` and `(N, *P)`; slices, where sources have an axis more than patches.

    Outside of the case the image is zero, and so is the label, or `IGNORE` if the case has voxels that
    nobody annotated.

    Args:
        sources: what is cut from.
        cases: which of them, for each patch.
        starts: the first voxel of each patch inside its case.
        patch: its shape P.
        device: where the sources are.
        margin: voxels by which patches are larger on every side.
        skip: positions that are left zero, to be filled later.
    """
    window = whole(patch, sources[0].shape)
    flat = len(window) > len(patch)
    around = margin or (0,) * len(patch)
    grown = (0, *around) if flat else around
    size = tuple(p + 2 * m for p, m in zip(window, grown, strict=True))
    image = torch.zeros((len(cases), sources[0].channels, *size), device=device)
    label = torch.zeros((len(cases), *size), dtype=torch.uint8, device=device)
    left = set(map(int, skip))
    for i, (case, start) in enumerate(zip(cases, starts, strict=True)):
        if i in left:
            continue
        source = sources[case]
        inside, target = overlap([s - m for s, m in zip(start, grown, strict=True)], size, source.shape)
        image[i][(slice(None), *target)], reading = source.cut(inside)
        if source.beyond:
            label[i] = source.beyond
        if reading is not None:
            label[i][target] = reading
    return (image[:, :, 0], label[:, 0]) if flat else (image, label)


def whole(patch: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The patch with as many axes as its case: a slice is one voxel thick along the first."""
    return (1, *patch) if len(patch) < len(shape) else patch


def overlap(first: Sequence[int], size: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Window, Window]:
    """Where a window of `size` whose first voxel is `first` and a case of `shape` overlap.

    Returns:
        The overlap as seen from the case, and as seen from the window.
    """
    inside = tuple(slice(max(f, 0), min(f + e, n)) for f, e, n in zip(first, size, shape, strict=True))
    return inside, tuple(slice(s.start - f, s.stop - f) for s, f in zip(inside, first, strict=True))
