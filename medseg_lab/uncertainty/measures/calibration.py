"""Whether predicted probabilities come true as often as they say."""

from typing import NamedTuple

import torch
from torch import Tensor

from medseg_lab.uncertainty.measures.shares import check_same_voxels, shares

FLOOR = 1e-7
"""The least probability that the logarithm sees: no voxel costs more than 16.1 nats."""


class Reliability(NamedTuple):
    """Voxels sorted by confidence into bins of equal width; sums, so that cases can be added: `a + b`.

    Attributes:
        weight: `(bins,)`, how many voxels.
        confidence: `(bins,)`, the sum of their confidences.
        accuracy: `(bins,)`, the sum of their accuracies.
    """

    weight: Tensor
    confidence: Tensor
    accuracy: Tensor

    def __add__(self, other: "Reliability") -> "Reliability":  # type: ignore[override]
        """That of the voxels of both.

        Raises:
            ValueError: for other bins.
        """
        if len(self.weight) != len(other.weight):
            raise ValueError(f"bins: got {len(other.weight)}, wanted {len(self.weight)}, as before")
        return Reliability(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def means(self) -> tuple[Tensor, Tensor]:
        """Mean confidence and mean accuracy of each bin, the two axes of the diagram; nan in an empty one."""
        return self.confidence / self.weight, self.accuracy / self.weight

    @property
    def ece(self) -> float:
        """The expected calibration error: |accuracy - confidence| of the bins, weighted by their voxels."""
        return float((self.accuracy - self.confidence).abs().sum() / self.weight.sum())


def reliability(probabilities: Tensor, readings: Tensor, bins: int = 10) -> Reliability:
    """Confidence, the probability of the predicted class, against the share of readings that agree with it.

    With one reading the accuracy of a voxel is 0 or 1, as usual; with several it is their share, and a
    prediction of 3/4 is right where three of four raters agree. Bins are (lower, upper].

    Args:
        probabilities: `(K, *S)`.
        readings: `(R, *S)`, class indices.
        bins: how many, over 0 to 1.

    Raises:
        ValueError: if shapes or class indices disagree, or for no bin.
    """
    if bins < 1:
        raise ValueError(f"bins: got {bins}, wanted 1 or more")
    check_same_voxels(("probabilities", probabilities), ("readings", readings))
    confidence, predicted = (each.flatten() for each in probabilities.max(dim=0))
    agreement = shares(readings, len(probabilities)).flatten(1).gather(0, predicted[None])[0]
    edges = torch.linspace(0, 1, bins + 1, dtype=confidence.dtype, device=confidence.device)[1:-1]
    place = torch.bucketize(confidence, edges)
    weight, *sums = (
        torch.bincount(place, weights=each.double(), minlength=bins)
        for each in (torch.ones_like(confidence), confidence, agreement)
    )
    return Reliability(weight, *sums)


def brier(probabilities: Tensor, readings: Tensor) -> Tensor:
    """The squared distance of p to the one-hot label, summed over classes, its mean over voxels and readings.

    0 to 2, as Brier defined it; with two classes it is twice the mean squared error of the foreground. Its
    least value is the raters' own variance, where p is the share of the readings.

    Args:
        probabilities: `(K, *S)`.
        readings: `(R, *S)`, class indices.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_same_voxels(("probabilities", probabilities), ("readings", readings))
    share = shares(readings, len(probabilities))
    return (share * (1 - probabilities) ** 2 + (1 - share) * probabilities**2).sum(dim=0).mean()


def negative_log_likelihood(probabilities: Tensor, readings: Tensor) -> Tensor:
    """-ln p of the class that was read, in nats, its mean over voxels and readings; p is at least `FLOOR`.

    Its least value is the entropy among the raters, where p is the share of the readings.

    Args:
        probabilities: `(K, *S)`.
        readings: `(R, *S)`, class indices.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes or class indices disagree.
    """
    check_same_voxels(("probabilities", probabilities), ("readings", readings))
    share = shares(readings, len(probabilities))
    return -(share * probabilities.clamp(min=FLOOR).log()).sum(dim=0).mean()
