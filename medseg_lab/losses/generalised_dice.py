"""Generalised Dice loss (survey 2.2.2; Sudre et al. [43])."""

from dataclasses import dataclass

import torch
from torch import Tensor

from medseg_lab.losses.checks import at_least_float32, check_shapes, known


@dataclass(frozen=True)
class GeneralisedDice:
    """One minus a Dice of all classes at once, in which a class counts by the inverse square of its volume.

        L = 1 - 2 sum_k w_k sum p y / ( sum_k w_k sum (p + y) ),   w_k = 1 / (sum y)^2

    with p the softmax and y the one-hot label of class k, the background included; sums run over the voxels
    of the whole batch. A class of v voxels adds about 2 v w_k = 2/v to the denominator, so a rare class has
    most of the say.

    Ours: a class that the batch lacks, whose weight would be infinite, has the largest weight of the others,
    as in MONAI. And nothing is added above and below: with those weights the sums are of the size 1/v, and
    for large v MONAI's 1e-5 would be most of them. The loss is computed as the sum of w (p + y - 2 p y) over
    that of w (p + y), which is exactly 0 for a right prediction.

    Voxels whose label is `IGNORE` enter no sum; where none is known, the loss and its gradient are 0.
    """

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        check_shapes(logits, label)
        with torch.autocast(logits.device.type, enabled=False):
            p = at_least_float32(logits).softmax(dim=1) * known(label).unsqueeze(1)  # (N, K, *S)
            classes = torch.arange(logits.shape[1], device=label.device)
            y = (label.unsqueeze(1) == classes.reshape(1, -1, *[1] * (label.ndim - 1))).to(p.dtype)
            over = (0, *range(2, p.ndim))
            weight = class_weights(y.sum(over))  # (K,)
            wrong, total = (p + y - 2 * p * y).sum(over), (p + y).sum(over)
            tiny = torch.finfo(p.dtype).tiny
            return (weight * wrong).sum() / (weight * total).sum().clamp(min=tiny)

    @torch.no_grad()
    def activity(self, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """`rarest_to_largest`: the volume of the rarest class of the foreground as a share of the largest.

        It is 0 where the batch lacks a class, and 1 where it has no foreground at all. If it is near 1, there
        are no rare labels to be given weight.
        """
        volumes = torch.stack([(label == k).sum() for k in range(1, logits.shape[1])]).float()
        return {"rarest_to_largest": (volumes.amin() / volumes.amax()).nan_to_num(1.0)}


def class_weights(volumes: Tensor) -> Tensor:
    """1 / volume^2 of each class, `(K,)`, scaled to a largest of 1, which an absent class has, too."""
    there = volumes > 0
    smallest = volumes.where(there, torch.inf).amin()
    return (smallest / volumes).square().where(there & smallest.isfinite(), 1.0)
