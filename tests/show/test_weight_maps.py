"""Weight maps and objects, as they are shown."""

import numpy as np
import pytest
import torch
from drawn_cases import flat_case
from legible import assert_legible

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.objects import JOINED, RIGHT, WRONG, object_kinds
from medseg_lab.losses.border import BorderCrossEntropy
from medseg_lab.losses.distance import DistanceCrossEntropy
from medseg_lab.show.objects import show_objects
from medseg_lab.show.weight_maps import closest_objects, show_weight_maps

TASK = Task(1, ("background", "nucleus"), 2)
LOSSES = {"gaps": BorderCrossEntropy(), "borders": DistanceCrossEntropy(w0=2, sigma=1)}


def two_pairs() -> torch.Tensor:
    """Two squares far apart at the top, two with a gap of one pixel at the bottom, `(80, 60)`."""
    label = torch.zeros(80, 60, dtype=torch.uint8)
    label[4:12, 2:10] = label[4:12, 50:58] = label[60:68, 20:28] = label[60:68, 29:37] = 1
    return label


def test_the_map_is_that_of_the_slice_in_the_window_where_objects_are_closest():
    case = flat_case([two_pairs()])
    place = closest_objects(case, 2, 20)
    assert all(side.start <= at < side.stop for side, at in zip(place.box, (64, 28), strict=True))
    fig = show_weight_maps(case, LOSSES, TASK, edge=20)
    gaps, borders = (ax.images[-1].get_array() for ax in fig.axes[1:3])
    for shown, loss in zip((gaps, borders), LOSSES.values(), strict=True):
        np.testing.assert_array_equal(shown, loss.weight_map(two_pairs().numpy(), None)[place.box])
    assert gaps.max() == pytest.approx(1 + 10 * np.exp(-4 / 50))
    assert "gaps, from 1.00 to 10.23; borders, from 1.00 to 2.21" in fig.get_label()
    assert_legible(fig)


def test_a_slice_of_a_volume_has_the_map_of_a_learner_of_slices():
    label = torch.zeros(1, 80, 3, 60, dtype=torch.uint8)
    label[0, :, 1] = two_pairs()
    case = Case("v", "v", torch.rand(1, 80, 3, 60), label, (1.0, 9.0, 2.0))
    fig = show_weight_maps(case, LOSSES, TASK, slice_axis=1, edge=100)
    wanted = LOSSES["gaps"].weight_map(two_pairs().numpy(), (1.0, 2.0))
    np.testing.assert_array_equal(fig.axes[1].images[-1].get_array(), wanted.T[::-1])


def test_an_object_is_right_or_joined_or_wrong():
    label, found = np.zeros((3, 40), bool), np.zeros((3, 40), bool)
    for start in (0, 10, 15, 30):
        label[:, start : start + 4] = True
    found[:, 0:3] = True  # an IoU of 3/4
    found[:, 11:18] = True  # 3 of 4 columns of two objects
    found[:, 22:25] = True  # of none
    found[:, 30:31] = True  # 1 of 4 columns of one
    kinds, counts = object_kinds(found, label)
    assert [int(kinds[0, at]) for at in (1, 12, 23, 30, 8)] == [RIGHT, JOINED, WRONG, WRONG, 0]
    assert counts == {RIGHT: 1, JOINED: 1, WRONG: 2}


def test_objects_are_counted_method_by_method():
    case, joined = flat_case([two_pairs()]), two_pairs().numpy()
    joined[60:68, 28] = 1
    fig = show_objects(case, {"a": joined, "b": two_pairs().numpy()}, TASK, edge=20)
    assert "a: 2 right, 1 joined, 0 wrong; b: 4 right, 0 joined, 0 wrong" in fig.get_label()
    assert "4 in all" in fig.axes[0].get_title()
    assert_legible(fig)
    with pytest.raises(ValueError, match="expected one to three methods, got 0"):
        show_objects(case, {}, TASK)
