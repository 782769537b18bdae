"""What was predicted of each case before, voxel by voxel, in the frame of the case itself."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from medseg_lab.data.sources import Source, Window
from medseg_lab.data.view import View
from medseg_lab.data.windows import cut, overlap, whole


class Memory(nn.Module):
    """A running mean of the predictions of every voxel of every unlabelled case [65].

    Z <- a Z + (1 - a) z where the voxel was in view. Z begins at zero and so is too small at first: after t
    predictions of a voxel, Z / (1 - a^t) is their weighted mean. Patches come turned and mirrored: they are
    brought back before they are remembered, and what is remembered is turned as the new patch was.

    Buffers, so that a checkpoint holds them: Z in half precision, `(K, *S)` a case, and t, `(*S)`.

    Args:
        shapes: S of each case, as a `View` counts its voxels.
        classes: K.
        momentum: a.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], classes: int, momentum: float) -> None:
        super().__init__()
        self.shapes, self.classes, self.momentum = tuple(shapes), classes, momentum
        for case, shape in enumerate(self.shapes):
            self.register_buffer(f"mean{case}", torch.zeros((classes, *shape), dtype=torch.float16))
            self.register_buffer(f"times{case}", torch.zeros(shape, dtype=torch.uint8))

    def recall(self, view: View) -> tuple[Tensor, Tensor, Tensor]:
        """What is remembered of what is in view.

        Returns:
            Probabilities `(N, K, *P)`; where there are any, `(N, *P)`, as booleans; likewise, where the case
            is: beyond it there is nothing to remember.
        """
        found, _ = view.of(self)
        known, inside = found[:, -2:].unbind(1)
        return found[:, :-2], known > 1 - 1e-4, inside > 1 - 1e-4  # at a rim zeros from beyond are mixed in

    @torch.no_grad()
    def remember(self, view: View, seen: Tensor) -> None:
        """Move the memory towards `seen`, `(N, K, *P)`, the probabilities of what is in view."""
        found, known = view.undone(seen)
        for i, (case, start) in enumerate(zip(view.cases, view.starts, strict=True)):
            mean, times = self._of(case)
            size = whole(view.patch, self.shapes[case])
            inside, target = overlap(start, size, self.shapes[case])
            new = found[i].reshape(self.classes, *size)[(slice(None), *target)]
            where = known[i].reshape(size)[target]
            old = mean[(slice(None), *inside)].float()
            moved = self.momentum * old + (1 - self.momentum) * new
            mean[(slice(None), *inside)] = torch.where(where, moved, old).half()
            times[inside] += (where & (times[inside] < 255)).to(torch.uint8)

    def windows(
        self,
        cases: Sequence[int],
        starts: Sequence[list[int]],
        patch: tuple[int, ...],
        margin: tuple[int, ...] | None = None,
        skip: Sequence[int] | np.ndarray = (),
    ) -> tuple[Tensor, Tensor]:
        """Patches of what is remembered, for a `View` to turn.

        Returns:
            The corrected means and, as two channels more, 1 where there are any and 1 inside of the case,
            `(N, K + 2, *P)`; and how often each voxel was predicted, `(N, *P)`.
        """
        sources = [Source(self._cutter(case), self.classes + 2, self.shapes[case], [], 0) for case in cases]
        return cut(sources, range(len(cases)), starts, patch, self._of(0)[0].device, margin, skip)

    def _cutter(self, case: int) -> Callable[[Window], tuple[Tensor, Tensor]]:
        mean, times = self._of(case)

        def cut_out(window: Window) -> tuple[Tensor, Tensor]:
            count = times[window]
            share = 1 - self.momentum ** count.float()
            corrected = mean[(slice(None), *window)].float() / share.clamp(min=1e-6)
            return torch.cat((corrected, torch.stack((count > 0, torch.ones_like(count))).float())), count

        return cut_out

    def _of(self, case: int) -> tuple[Tensor, Tensor]:
        return getattr(self, f"mean{case}"), getattr(self, f"times{case}")
