"""Cases as tensors on the device, from which patches and slices are cut."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case

FOREGROUND_SHARE = {2: 2 / 3, 3: 1 / 3}
"""Patches that are centred on a voxel of a random foreground class, by dimension; a slice is easily empty."""

ANCHORS = 512
"""Voxels per class and case that a patch may be centred on."""


class Pool:
    """Cases on the device, their slice axis (if any) first, and where their foreground lies."""

    def __init__(
        self,
        cases: Sequence[Case],
        patch: tuple[int, ...],
        slice_axis: int | None,
        device: torch.device | str,
    ) -> None:
        self.patch, self.flat = patch, slice_axis is not None
        self.window = (1, *patch) if self.flat else patch
        front = slice_axis or 0
        self.images = [c.image.movedim(front + 1, 1).contiguous().to(device) for c in cases]
        self.labels = [_reference(c).movedim(front, 0).contiguous().to(device) for c in cases]
        spacing = [c.spacing or (1.0,) * (c.image.ndim - 1) for c in cases]
        self.spacing = np.array([[s for a, s in enumerate(edges) if a != slice_axis] for edges in spacing])
        self._anchors = [_anchors(label) for label in self.labels]

    def __len__(self) -> int:
        return len(self.images)

    def start(self, case: int, rng: np.random.Generator) -> list[int]:
        """The first voxel of a patch: anywhere inside the case, or about a voxel of a random class.

        Along an axis on which the case is smaller than the patch, the case lies anywhere inside the patch.
        """
        slack = [n - p for n, p in zip(self.labels[case].shape, self.window, strict=True)]
        start = [int(rng.integers(min(0, s), max(0, s) + 1)) for s in slack]
        anchors = self._anchors[case]
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
        """Patches grown by `margin` on every side, `(N, C, *P)` and `(N, *P)`; zeros beyond the case.

        Those at the positions `skip` are left zero: they will be filled by other means.
        """
        around = margin or (0,) * len(self.patch)
        grown = ((0, *around) if self.flat else around) if margin else (0,) * len(self.window)
        size = tuple(p + 2 * m for p, m in zip(self.window, grown, strict=True))
        image = self.images[0].new_zeros((len(cases), self.images[0].shape[0], *size))
        label = self.labels[0].new_zeros((len(cases), *size))
        left = set(map(int, skip))
        for i, (case, start) in enumerate(zip(cases, starts, strict=True)):
            if i in left:
                continue
            first = [s - m for s, m in zip(start, grown, strict=True)]
            shape = self.labels[case].shape
            source = tuple(
                slice(max(f, 0), min(f + e, n)) for f, e, n in zip(first, size, shape, strict=True)
            )
            target = tuple(slice(s.start - f, s.stop - f) for s, f in zip(source, first, strict=True))
            image[i][(slice(None), *target)] = self.images[case][(slice(None), *source)]
            label[i][target] = self.labels[case][source]
        return (image[:, :, 0], label[:, 0]) if self.flat else (image, label)


def _reference(case: Case) -> Tensor:
    """The first reading, or zeros where labels are withheld."""
    return case.labels[0] if len(case.labels) else torch.zeros(case.image.shape[1:], dtype=torch.uint8)


def _anchors(label: Tensor) -> list[np.ndarray]:
    """For each foreground class present, up to `ANCHORS` of its voxels, evenly spread, `(n, d)`."""
    flat = label.cpu().numpy().ravel()
    found = []
    for value in np.unique(flat)[1 if (flat == 0).any() else 0 :]:
        voxels = np.flatnonzero(flat == value)
        voxels = voxels[:: max(1, len(voxels) // ANCHORS)]
        found.append(np.stack(np.unravel_index(voxels, tuple(label.shape)), axis=1))
    return found
