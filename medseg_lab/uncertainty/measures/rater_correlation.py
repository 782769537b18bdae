"""Whether the prediction is undecided where the raters disagree."""

import torch
from torch import Tensor

from medseg_lab.uncertainty.measures.shares import check_same_voxels, shares

ROUNDING = 1e-6
"""Variances that differ by less are one."""


def label_variance(distribution: Tensor) -> Tensor:
    """1 - sum_k p_k^2 of each voxel, `(K, *S)` to `(*S)`: variance of the one-hot label, over classes.

    Also the odds that two draws differ; 0 to 1 - 1/K. Computed as sum_k p_k (1 - p_k), which rounds less.
    """
    return (distribution * (1 - distribution)).sum(dim=0)


def rater_correlation(samples: Tensor, readings: Tensor) -> Tensor:
    """Normalised cross-correlation of the predicted variance of the label with that among the readings.

    Pearson's, over the voxels: -1 to 1. Only where the prediction is undecided counts, not how much: the
    scale drops out. The idea is that of [82], whose authors correlate maps of cross-entropy between samples
    and their mean, and between samples and each reading; a variance needs no logarithm of 0.

    Where a map is the same in every voxel there is no correlation, and the value is set: 1 where both are 0
    everywhere (nobody is in doubt, nor is the prediction), else 0.

    Args:
        samples: `(n, K, *S)`, class probabilities; their mean is the predicted distribution.
        readings: `(R, *S)`, class indices.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_same_voxels(("samples", samples), ("readings", readings), leading=2)
    predicted = label_variance(samples.mean(dim=0)).flatten()
    among_raters = label_variance(shares(readings, samples.shape[1])).flatten()
    level = [bool(each.max() - each.min() <= ROUNDING) for each in (predicted, among_raters)]
    if any(level):
        nobody_doubts = bool(torch.maximum(predicted, among_raters).max() <= ROUNDING)
        return predicted.new_tensor(float(nobody_doubts))
    # In float64: float32 loses two or three digits over a million voxels.
    one, two = (each.double() - each.double().mean() for each in (predicted, among_raters))
    return ((one @ two) / (one.norm() * two.norm())).float()
