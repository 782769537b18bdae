"""How far the samples' distribution is from the raters': the generalised energy distance [81, 82]."""

import torch
from torch import Tensor

from medseg_lab.uncertainty.measures.shares import check_labels, check_same_voxels

CHUNK = 2**24
"""float32 holds every integer up to this one, so that counts of so many voxels are exact."""


def overlap(first: Tensor, second: Tensor, n_classes: int) -> Tensor:
    """IoU of each segmentation of one set with each of the other, for each foreground class.

    One matrix product a class: of 0/1 masks, it counts the voxels that two of them share.

    Args:
        first: `(A, *S)`, class indices.
        second: `(B, *S)`, likewise.
        n_classes: K, background included.

    Returns:
        `(K-1, A, B)`; 1 where neither has a voxel of the class.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_labels("first", first, n_classes)
    check_labels("second", second, n_classes)
    check_same_voxels(("first", first), ("second", second))
    return torch.stack([_iou(first.flatten(1) == k, second.flatten(1) == k) for k in range(1, n_classes)])


def energy_distance(samples: Tensor, readings: Tensor, n_classes: int) -> Tensor:
    """GED^2 = 2 E d(s, y) - E d(s, s') - E d(y, y') of each foreground class, with d = 1 - IoU.

    0 where samples and readings are the same set, each as often; 2 where no sample meets a reading and each
    set is of one mind. Each expectation is over all pairs, a segmentation with itself included, as in the
    papers' code: so a few samples of the right distribution are not at 0, and fewer are further away. Compare
    methods at one n. Two empty masks are alike, d = 0.

    Args:
        samples: `(n, *S)`, class indices, one draw each.
        readings: `(R, *S)`, the raters'.
        n_classes: K, background included.

    Returns:
        `(K-1,)`, the square, which is what the papers report. Never negative (1 - IoU is a distance of
        negative type); rounding is cut off at 0.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_labels("samples", samples, n_classes)
    check_labels("readings", readings, n_classes)
    check_same_voxels(("samples", samples), ("readings", readings))
    n, everyone = len(samples), torch.cat([samples, readings])
    distance = 1 - overlap(everyone, everyone, n_classes)
    across = distance[:, :n, n:].mean(dim=(1, 2))
    among_samples = distance[:, :n, :n].mean(dim=(1, 2))
    among_readings = distance[:, n:, n:].mean(dim=(1, 2))
    return (2 * across - among_samples - among_readings).clamp(min=0)


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """Of boolean masks `(A, V)` and `(B, V)`: `(A, B)`."""
    both = sum(
        (one.float() @ two.float().T).long()
        for one, two in zip(first.split(CHUNK, 1), second.split(CHUNK, 1), strict=True)
    )
    either = first.sum(dim=1)[:, None] + second.sum(dim=1) - both
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))
