"""Where patches were cut and how they were transformed: from a case to what a learner sees, and back."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data import augment as augmentation


class Windows(Protocol):
    """What patches are cut from: a `Pool`, or a memory of predictions."""

    def windows(
        self,
        cases: Sequence[int],
        starts: Sequence[list[int]],
        patch: tuple[int, ...],
        margin: tuple[int, ...] | None = None,
        skip: Sequence[int] | np.ndarray = (),
    ) -> tuple[Tensor, Tensor]:
        """Patches grown by `margin`, `(N, C, *P)` and a label each, `(N, *P)`."""


class View(NamedTuple):
    """N patches: their cases, their first voxels, and their spatial transformations.

    Args:
        cases: the case of each in the pool; its entry, where a case has several readings.
        starts: the first voxel of each inside its case.
        patch: the shape P of each.
        matrix: `(N, d, d)`, from voxels of the transformed patch to those of its window, about the centre.
        mirrored: the axes reversed afterwards, `(N, d)`.
        control: displacements of control points, `(N, d, *G)`, as in `augment.Spatial`; None for none.
    """

    cases: list[int]
    starts: list[list[int]]
    patch: tuple[int, ...]
    matrix: np.ndarray
    mirrored: np.ndarray
    control: np.ndarray | None = None

    @classmethod
    def plain(cls, cases: list[int], starts: list[list[int]], patch: tuple[int, ...]) -> "View":
        """Patches as they were cut."""
        n, d = len(cases), len(patch)
        matrix = np.broadcast_to(np.eye(d), (n, d, d))
        return cls(cases, starts, patch, matrix, np.zeros((n, d), dtype=bool))

    def of(self, pool: Windows) -> tuple[Tensor, Tensor]:
        """Transformed patches of `pool`: `(N, C, *P)` linearly, and labels `(N, *P)` by the nearest voxel."""
        chosen, matrix, control = self._changed()
        image, label = pool.windows(self.cases, self.starts, self.patch, skip=chosen)
        if len(chosen):
            margin = augmentation.margins(matrix, self.patch, control)
            blocks = pool.windows(
                [self.cases[i] for i in chosen], [self.starts[i] for i in chosen], self.patch, margin
            )
            image[chosen], label[chosen] = augmentation.resample(*blocks, matrix, self.patch, control)
        return self._mirrored(image), self._mirrored(label)

    def undone(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of transformed patches, brought back to their windows.

        Args:
            seen: `(N, K, *P)`.

        Returns:
            The maps in the windows' voxels, `(N, K, *P)`; and which voxels were in view, bool `(N, *P)`.
        """
        restored = self._mirrored(seen.clone())
        known = torch.ones_like(restored[:, :1])
        chosen, matrix, control = self._changed()
        if len(chosen):
            both = torch.cat((restored[chosen], known[chosen]), dim=1)
            both = augmentation.restore(both, matrix, control)
            restored[chosen], known[chosen] = both[:, :-1], both[:, -1:]
        return restored, known[:, 0] > 1 - 1e-4  # at the border, zeros from outside are mixed in

    def _changed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Which patches are resampled, with their matrices and control points."""
        chosen = augmentation.turned(self.matrix, self.control)
        return chosen, self.matrix[chosen], None if self.control is None else self.control[chosen]

    def _mirrored(self, patches: Tensor) -> Tensor:
        """In place; its own inverse."""
        for i in np.flatnonzero(self.mirrored.any(1)):
            patches[i] = augmentation.mirror_patch(patches[i], self.mirrored[i])
        return patches
