"""Boxes on images small enough to count."""

import pytest
import torch

from medseg_lab.nested.boxes import (
    alike,
    box_of,
    cut_out,
    overlap,
    resized,
    share_inside,
    whole,
    without_islands,
)


def marked(shape, *voxels):
    mask = torch.zeros(shape, dtype=torch.bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


@pytest.mark.parametrize(
    ("margin", "wanted"), [(0, (slice(1, 4), slice(2, 3))), (2, (slice(0, 6), slice(0, 5)))]
)
def test_a_box_holds_all_that_is_marked_with_a_margin_cut_at_the_border(margin, wanted):
    assert box_of(marked((8, 6), (1, 2), (3, 2)), margin) == wanted


def test_nothing_marked_has_no_box():
    assert box_of(marked((4, 4)), 3) is None


def test_a_resized_box_keeps_its_middle_and_stays_inside():
    assert resized((slice(4, 6), slice(0, 2)), (4, 4), (10, 10)) == (slice(3, 7), slice(0, 4))
    assert resized((slice(8, 10),), (5,), (10,)) == (slice(5, 10),)
    assert resized(whole((10,)), (10,), (10,)) == whole((10,))


def test_boxes_of_a_batch_get_the_longest_edges_and_hold_what_they_held():
    masks = torch.stack([marked((9, 9), (0, 0), (0, 4)), marked((9, 9), (5, 8), (8, 8)), marked((9, 9))])
    boxes = alike([box_of(mask) for mask in masks], (9, 9))
    found = cut_out(masks, boxes)
    assert found.shape == (3, 4, 5)
    assert found.sum((1, 2)).tolist() == [2, 2, 0]
    assert boxes[2] == (slice(2, 6), slice(2, 7))  # the middle
    channels = cut_out(masks[:, None].expand(3, 3, 9, 9), boxes)
    assert torch.equal(channels[:, 2], found)
    assert alike([None, None], (9, 9)) == [whole((9, 9))] * 2


def test_an_island_is_a_component_with_less_than_a_tenth_of_the_largest():
    mask = marked((12, 12), (0, 0), (10, 9), (10, 10))
    mask[3:7, 3:8] = True  # 20 voxels
    kept = without_islands(mask)
    assert not kept[0, 0]
    assert kept.sum() == 22  # two voxels are a tenth
    assert torch.equal(without_islands(marked((3, 3), (1, 1))), marked((3, 3), (1, 1)))
    assert not without_islands(marked((3, 3))).any()


def test_the_share_inside_counts_marked_voxels():
    mask = marked((6, 6), (0, 0), (2, 2), (3, 3), (3, 4))
    assert share_inside(mask, (slice(2, 4), slice(2, 4))) == 0.5
    assert share_inside(mask, None) == 0
    assert share_inside(marked((3, 3)), whole((3, 3))).isnan()


def test_the_overlap_of_boxes_is_that_of_their_voxels():
    box, other = (slice(0, 4), slice(0, 4)), (slice(2, 6), slice(0, 4))
    assert overlap(box, other) == pytest.approx(8 / (16 + 16 - 8))
    assert overlap(box, (slice(4, 8), slice(0, 4))) == 0
    assert (overlap(box, None), overlap(None, None), overlap(box, box)) == (0, 1, 1)
