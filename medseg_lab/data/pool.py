"""Cases from which patches and slices are cut: tensors on the device, or files on disk."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.sources import source
from medseg_lab.data.windows import cut

FOREGROUND_SHARE = {2: 2 / 3, 3: 1 / 3}
"""Patches that are centred on a voxel of a random foreground class, by dimension; a slice is easily empty."""


class Pool:
    """Cases with their slice axis (if any) first, and where their foreground lies.

    Cases in memory are moved to the device once. Of those on disk (`MappedCase`) the patches alone are, batch
    by batch; they are the same bits.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        patch: tuple[int, ...],
        slice_axis: int | None,
        device: torch.device | str,
    ) -> None:
        self.patch, self.flat = patch, slice_axis is not None
        self.window = (1, *patch) if self.flat else patch
        self._device = device
        self._cut_on = "cpu" if any(isinstance(c, MappedCase) for c in cases) else device
        self._sources = [source(c, slice_axis or 0, self._cut_on) for c in cases]
        spacing = [c.spacing or (1.0,) * len(s.shape) for c, s in zip(cases, self._sources, strict=True)]
        self.spacing = np.array([[s for a, s in enumerate(edges) if a != slice_axis] for edges in spacing])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each case, the slice axis (if any) first."""
        return tuple(source.shape for source in self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def start(self, case: int, rng: np.random.Generator) -> list[int]:
        """The first voxel of a patch: anywhere inside the case, or about a voxel of a random class.

        Along an axis on which the case is smaller than the patch, the case lies anywhere inside the patch.
        """
        source = self._sources[case]
        slack = [n - p for n, p in zip(source.shape, self.window, strict=True)]
        start = [int(rng.integers(min(0, s), max(0, s) + 1)) for s in slack]
        anchors = source.anchors
        if anchors and rng.random() < FOREGROUND_SHARE[len(self.patch)]:
            voxels = anchors[rng.integers(len(anchors))]
            centre = voxels[rng.integers(len(voxels))]
            about = [int(c) - p // 2 for c, p in zip(centre, self.window, strict=True)]
            start = [min(max(a, 0), s) if s >= 0 else b for a, s, b in zip(about, slack, start, strict=True)]
        return start

    def windows(
        self,
        cases: Sequence[int],
        starts: Sequence[list[int]],
        patch: tuple[int, ...],
        margin: tuple[int, ...] | None = None,
        skip: Sequence[int] | np.ndarray = (),
    ) -> tuple[Tensor, Tensor]:
        """Patches grown by `margin` on every side, `(N, C, *P)` and `(N, *P)`, on the device.

        Beyond the case the image is zero, and so is the label, or `IGNORE` where the case has voxels that
        nobody labelled. Patches at the positions `skip` are left zero: they will be filled by other means.
        """
        image, label = cut(self._sources, cases, starts, patch, self._cut_on, margin, skip)
        return image.to(self._device), label.to(self._device)
