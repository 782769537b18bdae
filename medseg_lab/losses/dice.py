"""Soft Dice loss (survey 2.2.2, eqs. (6)-(8); V-Net [13]), alone and with cross entropy."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from medseg_lab.losses.checks import at_least_float32, check_shapes, known
from medseg_lab.losses.cross_entropy import CrossEntropy


@dataclass(frozen=True)
class Dice:
    """One minus the soft Dice coefficient, averaged over the foreground classes.

    Eq. (6) is the overlap of two sets, 2|P and Y| / (|P| + |Y|). Eq. (7) lets p be a probability, so that it
    has a gradient. Eq. (8) adds 1 to numerator and denominator:

        L = 1 - (2 sum p y + 1) / (sum p + sum y + 1)

    so that an absent class, predicted absent, has the Dice 1 and the loss 0 instead of 0/0.

    Ours: eq. (8) is written for one foreground class; here it is taken of every class but the background
    (class 0), with p the softmax, and averaged. The sums run over the voxels of the whole batch by default.
    A patch or slice that lacks a class would otherwise dominate: with +1 alone in the numerator, a total of
    one voxel's probability spread over it already costs half of the loss.

    Voxels whose label is `IGNORE` enter no sum; where none is known, the loss and its gradient are 0.

    Args:
        smooth: what is added above and below.
        pool: "batch" sums over all voxels of the batch; "sample" sums over each sample, which is eq. (8)
            image by image, and then averages over samples too.
    """

    smooth: float = 1.0
    pool: Literal["batch", "sample"] = "batch"

    def __post_init__(self) -> None:
        if self.pool not in ("batch", "sample"):
            raise ValueError(f"pool: expected 'batch' or 'sample', got {self.pool!r}")

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        check_shapes(logits, label)
        with torch.autocast(logits.device.type, enabled=False):
            p = at_least_float32(logits).softmax(dim=1) * known(label).unsqueeze(1)
            p = p[:, 1:]  # (N, K-1, *S)
            classes = torch.arange(1, logits.shape[1], device=label.device)
            y = label.unsqueeze(1) == classes.reshape(1, -1, *[1] * (label.ndim - 1))
            y = y.to(p.dtype)  # one-hot, (N, K-1, *S)
            over = tuple(d for d in range(p.ndim) if d != 1 and not (d == 0 and self.pool == "sample"))
            dice = (2 * (p * y).sum(over) + self.smooth) / (p.sum(over) + y.sum(over) + self.smooth)
            return 1 - dice.mean()


@dataclass(frozen=True)
class DiceCE:
    """Dice loss plus cross entropy, equally weighted: nnU-Net's choice [46], and the default here.

    Dice looks at overlap and is indifferent to how rare a class is; cross entropy gives every voxel a
    gradient from the first step on, where the gradient of Dice is still flat.
    """

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        return Dice()(logits, label) + CrossEntropy()(logits, label)
