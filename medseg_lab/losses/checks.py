"""What every loss asks of its two arguments."""

import torch
from torch import Tensor

from medseg_lab.data.case import IGNORE


def check_shapes(logits: Tensor, label: Tensor) -> None:
    """Logits `(N, K, *S)` with K of 2 or more, label `(N, *S)`.

    Raises:
        ValueError: otherwise, with both shapes.
    """
    seen = tuple(logits.shape), tuple(label.shape)
    if logits.ndim < 3 or logits.shape[1] < 2:
        raise ValueError(f"logits: expected shape (N, K, *S) with at least 2 classes, got {seen[0]}")
    if seen[0][:1] + seen[0][2:] != seen[1]:
        raise ValueError(f"label: expected the shape (N, *S) of logits {seen[0]}, got {seen[1]}")


def known(label: Tensor) -> Tensor:
    """Where somebody annotated: bool, the label's shape. All else is `IGNORE` and enters no loss."""
    return label != IGNORE


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits in float32 at least: a sum over a million voxels in bfloat16 keeps 8 bits of its value."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
