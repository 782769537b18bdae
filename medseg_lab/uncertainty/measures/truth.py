"""Estimates compared with a known distribution of the labels (virtual subjects with simulated raters)."""

from math import nan
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.losses.entropy import entropy
from medseg_lab.uncertainty.measures.calibration import FLOOR


class AgainstTruth(NamedTuple):
    """How estimated entropies differ from the true ones over voxels, and the prediction p from the true p*.

    Attributes:
        correlation: Pearson's, of the entropies; 0 where the estimate or the truth is constant.
        mean_absolute_error: of the estimated entropies, in nats.
        bias: the mean of estimated minus true, in nats; below 0 for an overconfident model.
        divergence: the mean of KL(p* || p), p the mean of the samples, in nats; 0 where p = p*.
    """

    correlation: float
    mean_absolute_error: float
    bias: float
    divergence: float = nan


def against_truth(samples: Tensor, distribution: Tensor) -> AgainstTruth:
    """The entropy of the mean of the samples (survey 4, eq. (11) and (13)) compared with that of p*(y | x).

    Where all samples equal p*, this total entropy is the true one, which no training data can reduce. A
    model's epistemic uncertainty adds to the total and not to the truth, so it shows in the bias.

    Args:
        samples: `(n, K, *S)` class probabilities.
        distribution: `(K, *S)`, p*.

    Raises:
        ValueError: if classes or shapes differ.
    """
    if samples.ndim < 2 or samples.shape[1:] != distribution.shape:
        expected = f"(n, {', '.join(map(str, distribution.shape))})"
        raise ValueError(
            f"samples: expected shape {expected} of the distribution, got {tuple(samples.shape)}"
        )
    mean = samples.mean(dim=0)
    against = entropy_against(entropy(mean[None])[0], entropy(distribution[None])[0])
    found = mean.double().clamp(min=FLOOR).log()
    divergence = F.kl_div(found, distribution.double(), reduction="none").sum(dim=0).mean()
    return against._replace(divergence=float(divergence))


def entropy_against(estimate: Tensor, true: Tensor) -> AgainstTruth:
    """Estimated entropies compared with the true ones, voxel by voxel; without divergence (nan).

    Args:
        estimate, true: `(*S)`, in nats.
    """
    both = torch.stack([estimate.flatten(), true.flatten()]).double()
    constant = bool((both.amin(dim=1) == both.amax(dim=1)).any())
    correlation = 0.0 if constant else float(torch.corrcoef(both)[0, 1])
    difference = both[0] - both[1]
    return AgainstTruth(correlation, float(difference.abs().mean()), float(difference.mean()))
