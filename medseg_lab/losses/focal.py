"""Focal loss (survey 2.2.1, eq. (5); Lin et al. [42]) and what it is against: many easy negatives."""

from dataclasses import dataclass

import torch
from torch import Tensor

from medseg_lab.losses.checks import at_least_float32, check_shapes, known
from medseg_lab.losses.cross_entropy import mean_of_known

EASY = 0.1
"""A voxel of the background is easy where the classes of the foreground together have less than this."""


@dataclass(frozen=True)
class Focal:
    """Cross-entropy in which a voxel counts less, the better it is predicted: -(1 - p)^gamma log p.

    p is the probability of the true class. For two classes with foreground probability p and label y this is

        L = -( y (1 - p)^gamma log p + (1 - y) p^gamma log(1 - p) ).

    The survey's eq. (5) as printed lacks the pair of parentheses, as its eq. (4) does; this is the correct
    form, for any K. With gamma = 0 it is `CrossEntropy`, to the last bit.

    Departures: [42] weights classes by a factor alpha, which the survey leaves out, and so do we; and it
    divides by the number of objects, where this is the mean over all known voxels.

    Voxels whose label is `IGNORE` are left out; where none is known, the loss and its gradient are 0.

    Args:
        gamma: how fast the weight falls; a voxel with p = 0.9 counts a hundredth where it is 2.
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        if self.gamma < 0:
            raise ValueError(f"gamma: expected 0 or more, got {self.gamma}")

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        check_shapes(logits, label)
        with torch.autocast(logits.device.type, enabled=False):
            is_known = known(label).unsqueeze(1)
            log_p = at_least_float32(logits).log_softmax(dim=1).gather(1, label.unsqueeze(1) * is_known)
            missing = -log_p.expm1()  # 1 - p, exact where p is near 1
            # at p = 1 the slope of a root is infinite, and the gradient would be no number
            weight = missing.clamp(min=torch.finfo(missing.dtype).tiny) ** self.gamma
            return -mean_of_known(weight * log_p, is_known)

    def activity(self, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """`easy_negatives`: their share of the gradient that cross-entropy would have here (`easy_share`)."""
        return {"easy_negatives": easy_share(logits, label)}


@torch.no_grad()
def easy_share(logits: Tensor, label: Tensor, easy: float = EASY) -> Tensor:
    """The share of the gradient of cross-entropy that comes from easy negatives, a scalar from 0 to 1.

    The gradient of a voxel's cross-entropy is p - y, a number for each class, and the sum of their sizes is
    2 (1 - p) of the true class. An easy negative is a voxel of the background where 1 - p is below `easy`.

    Args:
        logits: `(N, K, *S)`.
        label: `(N, *S)`, values 0 to K-1 or `IGNORE`.
        easy: where to draw the line.
    """
    is_known = known(label)
    p = logits.float().softmax(dim=1).gather(1, (label * is_known).unsqueeze(1)).squeeze(1)
    size = (1 - p) * is_known
    negative = (label == 0) & (size < easy)
    return (size * negative).sum() / size.sum().clamp(min=torch.finfo(size.dtype).tiny)
