"""Whether predicted probabilities match the frequencies among the readings."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor

from medseg_lab.uncertainty.measures.readings import shares

FLOOR = 1e-7
"""The smallest probability whose logarithm is taken: no voxel costs more than 16.1 nats."""


class Reliability(NamedTuple):
    """Voxels in bins of equal width of confidence. Holds sums, so that cases can be added: `a + b`.

    Attributes:
        weight: `(bins,)`, the number of voxels.
        confidence: `(bins,)`, the sum of their confidences.
        accuracy: `(bins,)`, the sum of their accuracies.
    """

    weight: Tensor
    confidence: Tensor
    accuracy: Tensor

    def __add__(self, other: "Reliability") -> "Reliability":  # type: ignore[override]
        """The voxels of both.

        Raises:
            ValueError: if the numbers of bins differ.
        """
        if len(self.weight) != len(other.weight):
            raise ValueError(f"bins: expected {len(self.weight)} as in the first, got {len(other.weight)}")
        return Reliability(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def means(self) -> tuple[Tensor, Tensor]:
        """Mean confidence and accuracy of each bin, the two axes of the diagram; nan in an empty bin."""
        return self.confidence / self.weight, self.accuracy / self.weight

    @property
    def ece(self) -> float:
        """Expected calibration error: |accuracy - confidence| of the bins, weighted by their voxels."""
        return float((self.accuracy - self.confidence).abs().sum() / self.weight.sum())


def reliability(probabilities: Tensor, readings: Tensor, bins: int = 10) -> Reliability:
    """Confidence, the probability of the predicted class, against the share of readings of that class.

    With one reading the accuracy of a voxel is 0 or 1; with several it is the share, so a confidence of 3/4
    is right where three of four raters agree. Bins are (lower, upper].

    Args:
        probabilities: `(K, *S)`.
        readings: `(R, *S)`, class indices.
        bins: number of bins between 0 and 1.

    Raises:
        ValueError: if shapes or class indices disagree, or without bins.
    """
    if bins < 1:
        raise ValueError(f"bins: expected 1 or more, got {bins}")
    confidence, predicted = (each.flatten() for each in probabilities.max(dim=0))
    agreement = _shares(readings, probabilities).flatten(1).gather(0, predicted[None])[0]
    edges = torch.linspace(0, 1, bins + 1, dtype=confidence.dtype, device=confidence.device)[1:-1]
    place = torch.bucketize(confidence, edges)
    values = torch.ones_like(confidence), confidence, agreement
    return Reliability(*(torch.bincount(place, weights=each.double(), minlength=bins) for each in values))


def ece_parts(cases: Sequence[Reliability], patients: Sequence[str]) -> list[float]:
    """What each case adds to the calibration error of all cases together: their mean is that error.

    The error of single images, averaged, would be another number: in one image the labels of a bin are few
    and alike, so even one who predicts the true probabilities is far off in each, now above and now below.
    Pooled, such deviations cancel.

    The pooled error is E = sum_b s_b (accuracy_b - confidence_b) / weight, s_b the sign in bin b, each a sum
    over cases. A case's part is E + (its own sum_b s_b (accuracy_b - confidence_b) - E its weight) / mean
    weight: how the error changes if this case counts more (the delta method). So what is done to means, an
    interval over patients and seeds or a difference between methods, is done to the pooled error.

    Signs are held as they are, so an interval about an error near 0 reaches below 0. The other way, pooling
    each redrawn set of cases, gives errors that are all above 0: with 30 images of 300 voxels and predictors
    who are right or nearly so, its 95% intervals held the truth in 0% and 89% of simulated experiments, these
    in 83% and 95%; of overconfident ones, 92% and 93% against 93% and 94%.

    Patients count alike, however many cases they have: the mean is that of the patients' means.

    Args:
        cases: of one predictor.
        patients: the patient of each case.

    Returns:
        One number a case; it may be below 0.

    Raises:
        ValueError: if the numbers of bins differ.
    """
    if not cases:
        return []
    share = [1 / patients.count(patient) for patient in patients]
    shared = zip(cases, share, strict=True)
    pooled = reduce(add, (Reliability(*(counts * part for counts in case)) for case, part in shared))
    sign, error = (pooled.accuracy - pooled.confidence).sign(), pooled.ece
    weight = pooled.weight.sum() / sum(share)
    own = [(sign * (case.accuracy - case.confidence)).sum() - error * case.weight.sum() for case in cases]
    return [error + float(each / weight) for each in own]


def brier(probabilities: Tensor, readings: Tensor) -> Tensor:
    """The squared distance of p to the one-hot label, summed over classes; the mean over voxels and readings.

    0 to 2, as Brier defined it; with two classes it is twice the mean squared error of the foreground. It is
    least where p is the share of the readings: there it is the variance among the raters.

    Arguments and errors as in `reliability`; returns a scalar.
    """
    share = _shares(readings, probabilities)
    return (share * (1 - probabilities) ** 2 + (1 - share) * probabilities**2).sum(dim=0).mean()


def negative_log_likelihood(probabilities: Tensor, readings: Tensor) -> Tensor:
    """-ln p of the class that was read, in nats, its mean over voxels and readings; p is at least `FLOOR`.

    It is least where p is the share of the readings: there it is the entropy among the raters.

    Arguments and errors as in `reliability`; returns a scalar.
    """
    return -(_shares(readings, probabilities) * probabilities.clamp(min=FLOOR).log()).sum(dim=0).mean()


def _shares(readings: Tensor, probabilities: Tensor) -> Tensor:
    return shares(readings, len(probabilities), probabilities.shape[1:])
