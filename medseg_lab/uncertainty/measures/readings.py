"""The readings of several raters, voxel by voxel: shares of each class, and their variance."""

from collections.abc import Sequence

import torch
from torch import Tensor

ROUNDING = 1e-6
"""Values of a map that differ by less than this count as equal; by this share of the largest, if above 1."""


def check_labels(name: str, labels: Tensor, n_classes: int, shape: Sequence[int] | None = None) -> None:
    """Class indices `(R, *S)` with at least one reading and one voxel, where `shape` (if given) is S.

    Raises:
        ValueError: otherwise, naming `name`. Voxels without annotation (`IGNORE`) must be removed before.
    """
    if labels.ndim < 2 or not labels.numel():
        raise ValueError(f"{name}: expected a non-empty shape (R, *S), got {tuple(labels.shape)}")
    if shape is not None and labels.shape[1:] != tuple(shape):
        raise ValueError(f"{name}: expected spatial shape {tuple(shape)}, got {tuple(labels.shape[1:])}")
    lowest, highest = (int(each) for each in labels.aminmax())
    if lowest < 0 or highest >= n_classes:
        raise ValueError(f"{name}: expected classes 0 to {n_classes - 1}, got {lowest} to {highest}")


def shares(readings: Tensor, n_classes: int, shape: Sequence[int] | None = None) -> Tensor:
    """The share of readings that name each class: `(R, *S)` integers to `(K, *S)` float32, summing to 1.

    With many raters it tends to p*(y | x), the true distribution of the label.

    Raises:
        ValueError: as `check_labels` does.
    """
    check_labels("readings", readings, n_classes, shape)
    return torch.stack([(readings == k).float().mean(dim=0) for k in range(n_classes)])


def label_variance(distribution: Tensor) -> Tensor:
    """1 - sum_k p_k^2 of each voxel, `(K, *S)` to `(*S)`: variance of the one-hot label, summed over classes.

    Also the probability that two draws differ; 0 to 1 - 1/K. Computed as sum_k p_k (1 - p_k), which rounds
    less.
    """
    return (distribution * (1 - distribution)).sum(dim=0)


def rater_correlation(samples: Tensor, readings: Tensor) -> Tensor:
    """Normalised cross-correlation of the predicted label variance with that among the readings.

    Pearson's correlation over voxels, -1 to 1: it measures where the prediction is uncertain, not how much.
    The idea is that of [82], whose authors correlate maps of cross-entropy between samples and their mean,
    and between samples and each reading; a variance needs no logarithm of 0.

    A constant map has no correlation. The value is then 1 where both variances are 0 everywhere (neither the
    raters nor the prediction are uncertain), otherwise 0.

    Args:
        samples: `(n, K, *S)`, class probabilities; their mean is the predicted distribution.
        readings: `(R, *S)`, class indices.

    Returns:
        A scalar.

    Raises:
        ValueError: as `check_labels` does.
    """
    among_raters = label_variance(shares(readings, samples.shape[1], samples.shape[2:]))
    predicted = label_variance(samples.mean(dim=0))
    if max(float(predicted.max()), float(among_raters.max())) <= ROUNDING:
        return predicted.new_tensor(1.0)
    return map_correlation(predicted, among_raters)


def spread_correlation(samples: Tensor, readings: Tensor) -> Tensor:
    """As `rater_correlation`, of the variance *between* samples: where they differ, not where each is unsure.

    The variance of the label is the mean variance within samples, and that between them: of the probability
    of each class over the samples, summed over the classes. 0 where samples do not differ, or raters do not.

    Arguments and errors as in `rater_correlation`; returns a scalar.
    """
    among_raters = label_variance(shares(readings, samples.shape[1], samples.shape[2:]))
    return map_correlation(samples.var(dim=0, correction=0).sum(dim=0), among_raters)


def map_correlation(found: Tensor, among_raters: Tensor) -> Tensor:
    """Pearson's correlation of any map with the raters' variance, both `(*S)`; 0 where either is constant.

    So a map that says nothing about places, one noise for all voxels, has 0.
    """
    maps = torch.stack([found.flatten(), among_raters.flatten()]).double()
    low, high = maps.aminmax(dim=1)
    if bool((high - low <= ROUNDING * high.clamp(min=1)).any()):
        return found.new_tensor(0.0)
    # In float64: float32 loses two or three digits over a million voxels.
    return torch.corrcoef(maps)[0, 1].to(found.dtype)
