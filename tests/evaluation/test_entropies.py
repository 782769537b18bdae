"""Pooled entropies are of the voxels that are judged."""

from math import log

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.evaluation.entropies import pooled_entropies, true_entropy
from medseg_lab.evaluation.region import MARGIN
from medseg_lab.evaluation.sampling import Drawn


def one(true: float, shape=(40, 40), mark=((20, 20),), distribution=True) -> Drawn:
    """Two samples that contradict each other, of a case whose foreground has probability `true`."""
    labels = torch.zeros(2, *shape, dtype=torch.uint8)
    for place in mark:
        labels[(1, *place)] = 1
    known = torch.full(shape, true)
    samples = torch.zeros(2, 2, *shape)
    samples[0, 0] = samples[1, 1] = 1
    case = Case(
        "c",
        "p",
        torch.zeros(1, *shape),
        labels,
        None,
        torch.stack([1 - known, known]) if distribution else None,
    )
    return Drawn(case, samples)


def test_contradicting_samples_are_sure_one_by_one_and_unsure_together():
    found = pooled_entropies([one(0.5)])
    assert found.true.tolist() == pytest.approx([log(2)] * len(found.true))
    assert found.total.tolist() == pytest.approx([log(2)] * len(found.true))
    assert found.expected.abs().max() == 0
    assert found.of("total") is found.total
    assert found.of("expected") is found.expected


def test_only_what_is_near_a_mark_counts():
    assert len(pooled_entropies([one(0.5)]).true) == (2 * MARGIN + 1) ** 2


def test_slices_of_a_volume_that_lie_apart_are_not_near():
    volume = one(0.5, (40, 40, 3), ((20, 20, 1),))
    assert len(pooled_entropies([volume]).true) == (2 * MARGIN + 1) ** 2
    assert len(pooled_entropies([volume], slice_axis=-1).true) == (2 * MARGIN + 1) ** 2
    assert len(pooled_entropies([volume], slice_axis=0).true) == (2 * MARGIN + 1) * 3


def test_a_voxel_counts_once_in_the_pool_and_a_case_once_in_the_mean():
    cases = [one(0.5), one(0.0, mark=((0, 0),))]  # the second's surroundings are cut off by the border
    near, cut = (2 * MARGIN + 1) ** 2, (MARGIN + 1) ** 2
    assert float(pooled_entropies(cases).true.mean()) == pytest.approx(log(2) * near / (near + cut))
    assert true_entropy(cases) == pytest.approx(log(2) / 2)


@pytest.mark.parametrize("use", [pooled_entropies, true_entropy])
def test_what_is_not_known_is_refused(use):
    with pytest.raises(ValueError, match="cases: got none"):
        use([])
    with pytest.raises(ValueError, match="case: got c without a distribution"):
        use([one(0.5, distribution=False)])
