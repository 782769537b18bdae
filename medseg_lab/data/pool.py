"""Cases from which patches and slices are cut: tensors on the device, or files on disk."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.reading import Reading
from medseg_lab.data.sources import sources
from medseg_lab.data.weight_maps import WeightMap
from medseg_lab.data.windows import cut

FOREGROUND_SHARE = 1 / 2
"""Patches that are centred on a voxel of a random foreground class, slices and volumes alike."""


class Pool:
    """Cases with their slice axis (if any) first, and where their foreground lies.

    Cases in memory are moved to the device once. Of those on disk (`MappedCase`) the patches alone are, batch
    by batch; they are the same bits.

    A case has one entry; where a random rater's reading is taught, one for each of its readings.

    With a `weight_map` images have one more channel, the last: the weights of the voxels, less 1.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        patch: tuple[int, ...],
        slice_axis: int | None,
        device: torch.device | str,
        reading: Reading = "reference",
        weight_map: WeightMap | None = None,
    ) -> None:
        self.weighted = weight_map is not None
        self.patch, self.flat = patch, slice_axis is not None
        self.window = (1, *patch) if self.flat else patch
        self._device = device
        self._cut_on = "cpu" if any(isinstance(c, MappedCase) for c in cases) else device
        found = [sources(c, slice_axis or 0, self._cut_on, reading, weight_map, self.flat) for c in cases]
        self._sources = [source for entries in found for source in entries]
        self._raters = len(found[0]) if found else 1
        self.labelled = any(source.labelled for source in self._sources)
        spacing = [c.spacing or (1.0,) * len(s[0].shape) for c, s in zip(cases, found, strict=True)]
        self.spacing = np.array([[s for a, s in enumerate(edges) if a != slice_axis] for edges in spacing])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each case, the slice axis (if any) first."""
        return tuple(source.shape for source in self._sources[:: self._raters])

    def __len__(self) -> int:
        return len(self._sources) // self._raters

    def entry(self, case: int, rng: np.random.Generator) -> int:
        """Which of `windows`' cases stands for this case, with a reading drawn where there are several."""
        return case * self._raters + (int(rng.integers(self._raters)) if self._raters > 1 else 0)

    def start(self, case: int, rng: np.random.Generator) -> list[int]:
        """The first voxel of a patch: anywhere inside the case, or about a voxel of a random class.

        Along an axis on which the case is smaller than the patch, the case lies anywhere inside the patch.
        """
        source = self._sources[case * self._raters]
        slack = [n - p for n, p in zip(source.shape, self.window, strict=True)]
        start = [int(rng.integers(min(0, s), max(0, s) + 1)) for s in slack]
        anchors = source.anchors
        if anchors and rng.random() < FOREGROUND_SHARE:
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

        `cases` are entries: a case with one of its readings.

        Beyond the case the image is zero, and so is the label, or `IGNORE` where the case has voxels that
        nobody labelled. Patches at the positions `skip` are left zero: they will be filled by other means.
        """
        image, label = cut(self._sources, cases, starts, patch, self._cut_on, margin, skip)
        return image.to(self._device), label.to(self._device)
