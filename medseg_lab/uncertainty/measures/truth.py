"""Estimates held against a known distribution of the labels (virtual subjects with simulated raters)."""

from typing import NamedTuple

import torch
from torch import Tensor

from medseg_lab.losses.entropy import entropy
from medseg_lab.uncertainty.measures.calibration import FLOOR


class AgainstTruth(NamedTuple):
    """How an estimated entropy differs from the true one over voxels, and the prediction from p*.

    Attributes:
        correlation: Pearson's, of the estimated and the true entropies.
        mean_absolute_error: of the estimated entropies, in nats.
        bias: the mean of estimated minus true, in nats; below 0 for a model that is too sure.
        divergence: the mean of KL(p* || p), p the mean of the samples, in nats; 0 where p = p*.
    """

    correlation: float
    mean_absolute_error: float
    bias: float
    divergence: float


def against_truth(samples: Tensor, distribution: Tensor) -> AgainstTruth:
    """The entropy of the mean of the samples (survey 4, eq. (11) and (13)) held against that of p*(y | x).

    Where all samples know p*, this total entropy is the true one, which no training data take away. What a
    model adds for not knowing better is part of the total and not of the truth, so the bias shows it.

    Args:
        samples: `(n, K, *S)` class probabilities.
        distribution: `(K, *S)`, p*.

    Raises:
        ValueError: if classes or shapes differ.
    """
    if samples.ndim < 2 or samples.shape[1:] != distribution.shape:
        wanted = f"(n, {', '.join(map(str, distribution.shape))})"
        raise ValueError(f"samples: got {tuple(samples.shape)}, wanted {wanted}, as the distribution has")
    mean = samples.mean(dim=0)
    true = entropy(distribution[None])[0]
    held = entropy_against(entropy(mean[None])[0], true)
    return AgainstTruth(*held, divergence=_divergence(distribution, mean))


class EntropyAgainst(NamedTuple):
    """The first three of `AgainstTruth`, for any estimate of the entropy."""

    correlation: float
    mean_absolute_error: float
    bias: float


def entropy_against(estimate: Tensor, true: Tensor) -> EntropyAgainst:
    """Estimated entropies held against the true ones, voxel by voxel.

    Args:
        estimate, true: `(*S)`, in nats.

    Returns:
        The correlation is 0 where one of the two is the same everywhere: an estimate that does not vary finds
        nothing.
    """
    first, second = estimate.double().flatten(), true.double().flatten()
    off = first - second
    return EntropyAgainst(_pearson(first, second), float(off.abs().mean()), float(off.mean()))


def _pearson(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of two flat tensors; 0 where one of them is constant."""
    if any(values.min() == values.max() for values in (first, second)):
        return 0.0
    a, b = first - first.mean(), second - second.mean()
    return float((a @ b / (a.norm() * b.norm())).clamp(-1, 1))


def _divergence(distribution: Tensor, probabilities: Tensor) -> float:
    """The mean over voxels of KL(p* || p) = sum_k p*_k (ln p*_k - ln p_k) in nats, with p floored at `FLOOR`.

    Args:
        distribution, probabilities: `(K, *S)`, p* and p.
    """
    true, found = distribution.double(), probabilities.double().clamp(min=FLOOR)
    return float((torch.xlogy(true, true) - true * found.log()).sum(dim=0).mean())
