"""Measures of several cases together are of the voxels that are judged."""

from math import log

import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.pooled import pooled_entropies, pooled_reliability, retentions, true_entropy
from medseg_lab.evaluation.sampling import MARGIN, Drawn, judged_voxels


def one(wrong: int, far_error: bool = False) -> Drawn:
    """A row of 60 pixels, of which 20 to 29 are marked; `wrong` of those are missed, with p = 0.4."""
    label = torch.zeros(1, 1, 60, dtype=torch.uint8)
    label[..., 20:30] = 1
    found = label[0].float()
    found[..., 20 : 20 + wrong] = 0.4
    if far_error:
        found[..., 50:] = 1.0
    samples = torch.stack([1 - found, found])[None]
    return Drawn(Case("c", "p", torch.zeros(1, 1, 60), label, None), samples)


def test_voxels_are_judged_near_what_is_marked_and_where_all_raters_said_something():
    case = one(0).case
    assert judged_voxels(case).flatten().nonzero().flatten().tolist() == list(range(12, 38))
    open_ = case.labels.clone()
    open_[..., 15] = IGNORE
    held = judged_voxels(Case("c", "p", case.image, open_, None))
    assert held.sum() == 25
    assert not held[0, 15]


def test_cases_are_pooled_voxel_by_voxel():
    found = pooled_reliability([one(2), one(4, far_error=True)])
    assert found.weight.sum() == 2 * 26
    # 6 of 52 voxels are .6 sure and wrong, all others are sure and right
    assert found.ece == pytest.approx(6 * 0.6 / 52)


def test_each_case_has_a_curve_and_its_ideal():
    by_entropy, ideal = retentions([one(2), one(0)])
    assert [float(curve.error[curve.kept.argmax()]) for curve in by_entropy] == pytest.approx([2 / 26, 0])
    # the uncertain voxels are the wrong ones: no order is better
    assert [curve.area for curve in by_entropy] == pytest.approx([curve.area for curve in ideal])


def test_of_a_volume_slices_do_not_touch():
    label = torch.zeros(1, 30, 30, 3, dtype=torch.uint8)
    label[0, 15, 15, 0] = 1
    case = Case("c", "p", torch.zeros(1, 30, 30, 3), label, None)
    assert judged_voxels(case, slice_axis=2).sum() == 17 * 17
    assert judged_voxels(case, slice_axis=-1).sum() == 17 * 17
    assert judged_voxels(case, slice_axis=0).sum() == 17 * 3


def entropic(true: float, shape=(40, 40), mark=((20, 20),), distribution=True) -> Drawn:
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
    found = pooled_entropies([entropic(0.5)])
    assert found.true.tolist() == pytest.approx([log(2)] * len(found.true))
    assert found.total.tolist() == pytest.approx([log(2)] * len(found.true))
    assert found.expected.abs().max() == 0
    assert found.of("total") is found.total
    assert found.of("expected") is found.expected


def test_only_what_is_near_a_mark_counts():
    assert len(pooled_entropies([entropic(0.5)]).true) == (2 * MARGIN + 1) ** 2


def test_a_voxel_counts_once_in_the_pool_and_a_case_once_in_the_mean():
    cases = [
        entropic(0.5),
        entropic(0.0, mark=((0, 0),)),
    ]  # the second's surroundings are cut off by the border
    near, cut = (2 * MARGIN + 1) ** 2, (MARGIN + 1) ** 2
    assert float(pooled_entropies(cases).true.mean()) == pytest.approx(log(2) * near / (near + cut))
    assert true_entropy([one.case for one in cases]) == pytest.approx(log(2) / 2)


def test_the_true_entropy_is_that_of_the_slices_that_are_judged():
    """Of twenty slices eight are kept, among them the first and the last; only these two are uncertain."""
    known = torch.zeros(5, 5, 20)
    known[..., [0, -1]] = 0.5
    labels = torch.ones(2, 5, 5, 20, dtype=torch.uint8)
    case = Case("c", "p", torch.zeros(1, 5, 5, 20), labels, None, torch.stack([1 - known, known]))
    assert true_entropy([case]) == pytest.approx(log(2) * 2 / 8)


def test_what_is_not_known_is_refused():
    for use, of in ((pooled_entropies, lambda one: one), (true_entropy, lambda one: one.case)):
        with pytest.raises(ValueError, match="cases: expected at least one, got none"):
            use([])
        with pytest.raises(ValueError, match="case c: its true distribution is not known"):
            use([of(entropic(0.5, distribution=False))])
