"""Measures of the judged voxels of several cases together: calibration, review by experts, entropies."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.reading import consensus
from medseg_lab.evaluation.sampling import Drawn, judged_voxels, thinned
from medseg_lab.losses.entropy import entropy
from medseg_lab.uncertainty.measures.calibration import Reliability, reliability
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from medseg_lab.uncertainty.measures.error_detection import Retention, error_retention, oracle

Kind = Literal["total", "expected"]


class PooledEntropies(NamedTuple):
    """Of the voxels of several cases, each `(V,)`, in nats.

    Attributes:
        true: of p*.
        total: of the mean of the samples.
        expected: the mean of the samples' own.
    """

    true: Tensor
    total: Tensor
    expected: Tensor

    def of(self, kind: Kind) -> Tensor:
        """One of the two estimates."""
        return self.total if kind == "total" else self.expected


def pooled_entropies(cases: Sequence[Drawn], slice_axis: int = 2) -> PooledEntropies:
    """The estimated and true entropies of all judged voxels, where p*(y | x) is known (survey 4.2).

    Args:
        cases: with a `distribution`.
        slice_axis: across which volumes were sampled slice by slice.

    Raises:
        ValueError: for no case, or one without a distribution.
    """
    found = []
    for one, true in zip(cases, _true([one.case for one in cases], slice_axis), strict=True):
        split = entropy_split(one.samples[:, :, judged_voxels(one.case, slice_axis)])
        found.append((true, split.total, split.expected))
    return PooledEntropies(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def true_entropy(cases: Sequence[Case], slice_axis: int = 2) -> float:
    """The mean true entropy of the judged voxels of a case, its mean over cases, as a comparison takes means.

    Args:
        cases: with a `distribution`; what is judged of a learner of slices counts (`thinned`).
        slice_axis: as in `pooled_entropies`.

    Raises:
        ValueError: as `pooled_entropies`.
    """
    judged = [thinned(case, slice_axis if case.image.ndim == 4 else None) for case in cases]
    return sum(float(true.mean()) for true in _true(judged, slice_axis)) / len(cases)


def pooled_reliability(cases: Iterable[Drawn], slice_axis: int = -1) -> Reliability:
    """Confidence against accuracy over the judged voxels of all cases."""
    found = []
    for one in cases:
        near = judged_voxels(one.case, slice_axis)
        found.append(reliability(one.mean[:, near], one.case.labels[:, near]))
    return reduce(add, found)


def retentions(cases: Iterable[Drawn], slice_axis: int = -1) -> tuple[list[Retention], list[Retention]]:
    """For each case, errors left as the least certain of the judged voxels go to an expert; and the ideal."""
    by_entropy, ideal = [], []
    for one in cases:
        near = judged_voxels(one.case, slice_axis)
        wrong = one.prediction[near] != consensus(one.case.labels)[near]
        by_entropy.append(error_retention(entropy_split(one.samples[:, :, near]).total, wrong))
        ideal.append(oracle(wrong))
    return by_entropy, ideal


def _true(cases: Sequence[Case], slice_axis: int) -> list[Tensor]:
    """The true entropy of the judged voxels, case by case."""
    if not cases:
        raise ValueError("cases: expected at least one, got none")
    if unknown := [case.id for case in cases if case.distribution is None]:
        raise ValueError(f"case {unknown[0]}: its true distribution is not known")
    return [
        entropy(case.distribution[None].cpu())[0][judged_voxels(case, slice_axis)]
        for case in cases
        if case.distribution is not None
    ]
