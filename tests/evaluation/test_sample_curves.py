"""Curves of several cases are of the voxels that are judged."""

import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.region import judged_voxels
from medseg_lab.evaluation.sample_curves import pooled_reliability, retentions
from medseg_lab.evaluation.sampling import Drawn


def one(wrong: int, far_error: bool = False) -> Drawn:
    """A row of 60 pixels, of which 20 to 29 are marked; `wrong` of those are missed, with odds of 60:40."""
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
    by_doubt, ideal = retentions([one(2), one(0)])
    assert [float(curve.error[curve.kept.argmax()]) for curve in by_doubt] == pytest.approx([2 / 26, 0])
    # the doubtful voxels are the wrong ones: no order is better
    assert [curve.area for curve in by_doubt] == pytest.approx([curve.area for curve in ideal])


def test_of_a_volume_slices_do_not_touch():
    label = torch.zeros(1, 30, 30, 3, dtype=torch.uint8)
    label[0, 15, 15, 0] = 1
    case = Case("c", "p", torch.zeros(1, 30, 30, 3), label, None)
    assert judged_voxels(case, slice_axis=2).sum() == 17 * 17
    assert judged_voxels(case, slice_axis=-1).sum() == 17 * 17
    assert judged_voxels(case, slice_axis=0).sum() == 17 * 3
