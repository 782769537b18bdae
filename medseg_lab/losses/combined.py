"""Sums of losses."""

from torch import Tensor

from medseg_lab.losses.cross_entropy import cross_entropy
from medseg_lab.losses.dice import dice_loss


def dice_ce(logits: Tensor, label: Tensor) -> Tensor:
    """Dice loss plus cross entropy, equally weighted: nnU-Net's choice [46], and the default here.

    Dice looks at overlap and is indifferent to how rare a class is; cross entropy gives every voxel a
    gradient from the first step on, where the gradient of Dice is still flat.

    Args:
        logits: `(N, K, *S)`.
        label: `(N, *S)`, int64, values 0 to K-1 or `IGNORE`, which neither counts.
    """
    return dice_loss(logits, label) + cross_entropy(logits, label)
