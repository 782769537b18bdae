"""Cases from which patches and slices are cut: tensors on the device, or files on disk."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.sources import source

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
        margin: tuple[int, ...] | None = None,
        skip: Sequence[int] | np.ndarray = (),
    ) -> tuple[Tensor, Tensor]:
        """Patches grown by `margin` on every side, `(N, C, *P)` and `(N, *P)`, on the device.

        Beyond the case the image is zero, and so is the label, or `IGNORE` where the case has voxels that
        nobody labelled. Patches at the positions `skip` are left zero: they will be filled by other means.
        """
        around = margin or (0,) * len(self.patch)
        grown = ((0, *around) if self.flat else around) if margin else (0,) * len(self.window)
        size = tuple(p + 2 * m for p, m in zip(self.window, grown, strict=True))
        image = torch.zeros((len(cases), self._sources[0].channels, *size), device=self._cut_on)
        label = torch.zeros((len(cases), *size), dtype=torch.uint8, device=self._cut_on)
        left = set(map(int, skip))
        for i, (case, start) in enumerate(zip(cases, starts, strict=True)):
            if i in left:
                continue
            source = self._sources[case]
            first = [s - m for s, m in zip(start, grown, strict=True)]
            inside = tuple(
                slice(max(f, 0), min(f + e, n)) for f, e, n in zip(first, size, source.shape, strict=True)
            )
            target = tuple(slice(s.start - f, s.stop - f) for s, f in zip(inside, first, strict=True))
            image[i][(slice(None), *target)], reading = source.cut(inside)
            if source.beyond:
                label[i] = source.beyond
            if reading is not None:
                label[i][target] = reading
        image, label = image.to(self._device), label.to(self._device)
        return (image[:, :, 0], label[:, 0]) if self.flat else (image, label)
