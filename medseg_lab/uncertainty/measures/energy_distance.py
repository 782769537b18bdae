"""Sets of segmentations, samples and readings, compared by IoU: energy distance [81, 82] and matched IoU."""

from math import lcm
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from medseg_lab.uncertainty.measures.readings import check_labels

CHUNK = 2**24
"""float32 represents every integer up to this one, so that counts of so many voxels are exact."""


def overlap(samples: Tensor, readings: Tensor, n_classes: int) -> Tensor:
    """IoU of each sample with each reading, for each foreground class.

    One matrix product of 0/1 masks per class counts the voxels that two of them share.

    Args:
        samples: `(n, *S)`, class indices.
        readings: `(R, *S)`, class indices.
        n_classes: K, background included.

    Returns:
        `(K-1, n, R)`; 1 where neither has a voxel of the class.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_labels("samples", samples, n_classes)
    check_labels("readings", readings, n_classes, samples.shape[1:])
    return torch.stack([_iou(samples.flatten(1) == k, readings.flatten(1) == k) for k in range(1, n_classes)])


class Distances(NamedTuple):
    """Mean distances d = 1 - IoU between two segmentations, for each foreground class, `(K-1,)`.

    Attributes:
        across: of a sample and a reading, E d(s, y).
        samples: of two samples, E d(s, s'): how much they differ, 0 where all are the same.
        readings: of two readings, E d(y, y').
    """

    across: Tensor
    samples: Tensor
    readings: Tensor

    @property
    def energy(self) -> Tensor:
        """GED^2 = 2 E d(s, y) - E d(s, s') - E d(y, y'); rounding errors are clipped at 0."""
        return (2 * self.across - self.samples - self.readings).clamp(min=0)


def distances(samples: Tensor, readings: Tensor, n_classes: int) -> Distances:
    """The three mean distances of which the energy distance is made; arguments as there."""
    check_labels("samples", samples, n_classes)
    check_labels("readings", readings, n_classes, samples.shape[1:])
    n, everyone = len(samples), torch.cat([samples, readings])
    distance = 1 - overlap(everyone, everyone, n_classes)
    quarters = distance[:, :n, n:], distance[:, :n, :n], distance[:, n:, n:]
    return Distances(*(each.mean(dim=(1, 2)) for each in quarters))


def energy_distance(samples: Tensor, readings: Tensor, n_classes: int) -> Tensor:
    """GED^2 = 2 E d(s, y) - E d(s, s') - E d(y, y') of each foreground class, with d = 1 - IoU.

    0 where samples and readings are the same set in the same proportions; 2 where no sample overlaps a
    reading and all members of each set are equal. Two empty masks are equal, d = 0. Each expectation is over
    all pairs, also of a segmentation with itself, as in the papers' code. So a few samples of the right
    distribution are not at 0, and fewer are further away: compare methods with the same n.

    Args:
        samples: `(n, *S)`, class indices, one draw each.
        readings: `(R, *S)`, the raters'.
        n_classes: K, background included.

    Returns:
        `(K-1,)`, the square, which is what the papers report. It is never negative (1 - IoU is a distance of
        negative type); rounding errors are clipped at 0.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    return distances(samples, readings, n_classes).energy


def matched_iou(samples: Tensor, readings: Tensor, n_classes: int) -> Tensor:
    """The mean IoU of the best one-to-one matching of samples with readings, for each foreground class.

    Both sets are repeated to the same size, lcm(n, R), so that all readings count equally; then the Hungarian
    method finds the matching with the largest sum, for each class separately. The authors of [81] added this
    measure in their later hierarchical model, because GED^2 rewards any spread, and this measure only spread
    that agrees with a reading.

    Arguments and errors as in `energy_distance`; returns `(K-1,)`, 0 to 1; 1 where the two are the same set.
    Two empty masks match, IoU 1.
    """
    iou = overlap(samples, readings, n_classes)
    size = lcm(*iou.shape[1:])
    repeated = iou.repeat(1, size // len(samples), size // len(readings))
    return torch.stack(
        [each[linear_sum_assignment(each.cpu().numpy(), maximize=True)].mean() for each in repeated]
    )


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU `(A, B)` of boolean masks `(A, V)` and `(B, V)`."""
    both = sum(
        (one.float() @ two.float().T).long()
        for one, two in zip(first.split(CHUNK, 1), second.split(CHUNK, 1), strict=True)
    )
    either = first.sum(dim=1)[:, None] + second.sum(dim=1) - both
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))
