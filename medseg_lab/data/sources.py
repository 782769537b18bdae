"""What a pool knows of one case, whether it lies in memory or on disk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.anchors import anchors, beyond
from medseg_lab.data.case import Case
from medseg_lab.data.mapped import MappedCase

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Source:
    """A case with one axis of S moved to the front.

    Args:
        cut: gives the image `(C, *W)` and the reference reading `(*W)` in a window inside S; None for the
            reading where labels are withheld.
        channels: C.
        shape: S.
        anchors: voxels of each foreground class, `(n, d)` each.
        beyond: the label of what lies beyond the case.
    """

    cut: Callable[[Window], tuple[Tensor, Tensor | None]]
    channels: int
    shape: tuple[int, ...]
    anchors: list[np.ndarray]
    beyond: int


def source(case: Case, front: int, device: torch.device | str) -> Source:
    """Where the voxels of a case come from: `device`, once they are there, or the disk if it is mapped."""
    return _on_disk(case, front) if isinstance(case, MappedCase) else _held(case, front, device)


def _on_disk(case: MappedCase, front: int) -> Source:
    def cut(window: Window) -> tuple[Tensor, Tensor | None]:
        # Cloned as it lies on disk: to read in that order and turn the axes then is twice as fast.
        image, label = (
            case.open_image().movedim(front + 1, 1)[(slice(None), *window)].clone(),
            case.open_label(),
        )
        return image, None if label is None else label.movedim(front, 0)[window].clone()

    order = _front_first(len(case.shape), front)
    shape, found = tuple(case.shape[a] for a in order), [voxels[:, order] for voxels in case.anchors]
    return Source(cut, case.channels, shape, found, case.beyond)


def _held(case: Case, front: int, device: torch.device | str) -> Source:
    image = case.image.movedim(front + 1, 1).contiguous().to(device)
    shape = tuple(image.shape[1:])
    if not len(case.labels):
        return Source(lambda window: (image[(slice(None), *window)], None), len(image), shape, [], 0)
    label = case.label.movedim(front, 0).contiguous().to(device)
    found = [voxels[:, _front_first(len(shape), front)] for voxels in anchors(case.label)]

    def cut(window: Window) -> tuple[Tensor, Tensor | None]:
        return image[(slice(None), *window)], label[window]

    return Source(cut, len(image), shape, found, beyond(case.label))


def _front_first(dims: int, front: int) -> list[int]:
    """The axes of S in the order in which a source has them."""
    return [front, *(axis for axis in range(dims) if axis != front)]
