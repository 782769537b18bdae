"""Estimated and true entropies of the voxels that are judged, where p*(y | x) is known (survey 4.2)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from medseg_lab.evaluation.region import judged_voxels
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.losses.entropy import entropy
from medseg_lab.uncertainty.measures.entropy_split import entropy_split

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
    """The voxels that are judged (`medseg_lab.evaluation.region.judged_voxels`), of all cases together.

    Args:
        cases: with a `distribution`.
        slice_axis: across which volumes were sampled slice by slice.

    Raises:
        ValueError: for no case, or one without a distribution.
    """
    if not cases:
        raise ValueError("cases: got none, wanted one or more")
    found = [_of_case(one, slice_axis) for one in cases]
    return PooledEntropies(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def true_entropy(cases: Sequence[Drawn], slice_axis: int = 2) -> float:
    """The mean true entropy of the voxels of a case, its mean over cases, as a comparison takes means.

    Args:
        cases, slice_axis: as in `pooled_entropies`.

    Raises:
        ValueError: as `pooled_entropies`.
    """
    if not cases:
        raise ValueError("cases: got none, wanted one or more")
    return sum(float(_true(one, slice_axis).mean()) for one in cases) / len(cases)


def _of_case(one: Drawn, slice_axis: int) -> PooledEntropies:
    true = _true(one, slice_axis)
    split = entropy_split(one.samples[:, :, judged_voxels(one.case, slice_axis)])
    return PooledEntropies(true, split.total, split.expected)


def _true(one: Drawn, slice_axis: int) -> Tensor:
    known = one.case.distribution
    if known is None:
        raise ValueError(f"case: got {one.case.id} without a distribution, wanted one that is known")
    return entropy(known[None].cpu())[0][judged_voxels(one.case, slice_axis)]
