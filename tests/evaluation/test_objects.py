"""Objects found one by one."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import evaluate
from medseg_lab.evaluation.objects import JOINED, RIGHT, WRONG, object_f1, object_kinds


def test_two_objects_that_are_joined_count_as_one_wrong_one():
    apart = np.zeros((6, 9), int)
    apart[1:5, :4] = apart[1:5, 5:] = 1
    joined = apart.copy()
    joined[2, 4] = 1  # 16 of 33 pixels are shared with each: an IoU below one half
    assert object_f1(apart, apart, 2) == [1]
    assert object_f1(joined, apart, 2) == object_f1(apart, joined, 2) == [0]


def test_f1_is_twice_the_pairs_over_all_objects():
    label, found = np.zeros((2, 3, 12), int), np.zeros((2, 3, 12), int)
    label[..., :3] = label[..., 4:6] = label[..., 7:9] = 1
    found[..., 1:3] = found[..., 4:5] = found[..., 10:] = 1
    # the first has an IoU of 2/3; the second of exactly 1/2, which is not above; one is missed, one invented
    assert object_f1(found, label, 2) == [pytest.approx(2 / (3 + 3))]


def test_classes_are_scored_apart_and_what_is_left_open_does_not_count():
    label = np.array([[1, 1, 0, 2, 2, IGNORE, IGNORE]])
    found = np.array([[1, 1, 0, 1, 1, 2, 1]])
    assert object_f1(found, label, 4) == [pytest.approx(2 / 3), 0, pytest.approx(np.nan, nan_ok=True)]


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0)])
def test_the_judge_counts_in_pixels_where_millimetres_are_not_known(spacing):
    label = torch.zeros(1, 12, 12, dtype=torch.uint8)
    label[0, 2:8, 2:8] = 1
    shifted = label[0].roll((0, 3), (0, 1)).float()
    case = Case("c", "p", torch.zeros(1, 12, 12), label, spacing)
    table = evaluate(
        lambda image: torch.stack((1 - shifted, shifted)), [case], Task(1, ("background", "a"), 2)
    )
    # a square of 6 x 6 moved by 3: of the 20 pixels of each contour, 4 above, 4 below and 2 aside are near
    assert ("nsd_pixels" in table) == (spacing is None)
    (row,) = table.to_dict("records")
    assert row["object_f1"] == 0  # an IoU of 1/3
    assert row.get("nsd_pixels", row.get("nsd")) == pytest.approx(10 / 20)


def test_an_object_is_joined_if_it_covers_more_than_half_of_each_of_two():
    label = np.zeros((8, 9), bool)
    label[:4, :4] = label[:4, 5:] = True
    both, first = np.zeros((8, 9), bool), np.zeros((8, 9), bool)
    both[:4] = True  # an IoU of 16/36 with each
    first[:, :6] = True  # an IoU of 16/48 with the first, and a quarter of the second
    for found, kind in ((both, JOINED), (first, WRONG), (label[:, :4], RIGHT)):
        found = np.pad(found, ((0, 0), (0, 9 - found.shape[1])))
        kinds, counted = object_kinds(found, label)
        assert set(kinds[found]) == {kind}
        assert counted == {one: int(one == kind) for one in (RIGHT, JOINED, WRONG)}
