"""Soft Dice loss (survey 2.2.2, eqs. (6)-(8); V-Net [13])."""

from typing import Literal

import torch
from torch import Tensor

from medseg_lab.losses.checks import check_shapes, known, wide


def dice_loss(
    logits: Tensor, label: Tensor, smooth: float = 1.0, pool: Literal["batch", "sample"] = "batch"
) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the foreground classes.

    Eq. (6) is the overlap of two sets, 2|P and Y| / (|P| + |Y|). Eq. (7) lets p be a probability, so that it
    has a gradient. Eq. (8) adds 1 to numerator and denominator:

        L = 1 - (2 sum p y + 1) / (sum p + sum y + 1)

    so that an absent class, predicted absent, has the Dice 1 and the loss 0 instead of 0/0.

    Ours: eq. (8) is written for one foreground class; here it is taken of every class but the background
    (class 0), with p the softmax, and averaged. The sums run over the voxels of the whole batch by default.
    A patch or slice that lacks a class would otherwise dominate: with +1 alone in the numerator, a total of
    one voxel's probability spread over it already costs half of the loss. `pool="sample"` sums per sample
    instead, which is eq. (8) image by image, and then averages over samples too.

    Voxels whose label is `IGNORE` enter no sum; where none is known, the loss and its gradient are 0.

    Args:
        logits: `(N, K, *S)`, any floating type; the loss is computed in float32 at least.
        label: `(N, *S)`, int64, values 0 to K-1 or `IGNORE`.
        smooth: what is added above and below.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    check_shapes(logits, label)
    with torch.autocast(logits.device.type, enabled=False):
        p = (wide(logits).softmax(dim=1) * known(label).unsqueeze(1))[:, 1:]  # (N, K-1, *S)
        classes = torch.arange(1, logits.shape[1], device=label.device).reshape(
            1, -1, *[1] * (label.ndim - 1)
        )
        y = (label.unsqueeze(1) == classes).to(p.dtype)  # one-hot, (N, K-1, *S)
        over = tuple(d for d in range(p.ndim) if d != 1 and not (d == 0 and pool == "sample"))
        dice = (2 * (p * y).sum(over) + smooth) / (p.sum(over) + y.sum(over) + smooth)
        return 1 - dice.mean()
