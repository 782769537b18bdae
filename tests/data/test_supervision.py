from dataclasses import replace

import pytest
import torch
from toys import tiny_cohort

from medseg_lab.data.batches import Batches
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.supervision import boxes, present_classes, weakly_labelled


def grid(*rows: str) -> torch.Tensor:
    """A label `(H, W)` from digits; `.` is 0 and `?` is `IGNORE`."""
    values = {".": 0, "?": IGNORE} | {str(digit): digit for digit in range(10)}
    return torch.tensor([[values[letter] for letter in row] for row in rows], dtype=torch.uint8)


def test_present_classes_are_those_with_a_voxel():
    assert present_classes(grid("..2", "?2."), 4).tolist() == [True, False, True, False]
    assert present_classes(grid("11", "1?").long(), 3).tolist() == [False, True, False]
    assert not present_classes(grid("??"), 2).any()


def test_each_component_gets_its_box():
    label = grid("1....", "11...", "....1", "...1.")
    # The last two voxels touch at a corner only, and so are two components.
    assert torch.equal(boxes(label, 2), grid("11...", "11...", "....1", "...1."))


def test_smaller_boxes_lie_over_larger_ones_and_of_equal_ones_the_higher_class():
    nested = grid("2222", "2112", "2..2", "2222")
    assert torch.equal(boxes(nested, 3), grid("2222", "2112", "2222", "2222"))
    overlapping = grid("112", "122")  # two boxes of 2 x 2, which share the middle column
    assert torch.equal(boxes(overlapping, 3), grid("122", "122"))


def test_a_margin_grows_boxes_within_the_image():
    label = grid("1....", ".....", ".....")
    assert torch.equal(boxes(label, 2, margin=1), grid("11...", "11...", "....."))
    with pytest.raises(ValueError, match="margin: expected 0 or more voxels, got -1"):
        boxes(label, 2, margin=-1)


def test_what_nobody_annotated_stays_open_and_makes_no_box():
    label = grid("1?1", "111", "??.")
    assert torch.equal(boxes(label, 2), grid("1?1", "111", "??."))


def test_boxes_of_a_volume_keep_type_and_shape():
    label = torch.zeros(3, 4, 5, dtype=torch.int64)
    label[0, 1, 1] = label[1, 1, 1] = label[1, 2, 1] = label[1, 2, 3] = 1
    expected = torch.zeros_like(label)
    expected[:2, 1:3, 1] = 1
    expected[1, 2, 3] = 1
    found = boxes(label, 2)
    assert torch.equal(found, expected)
    assert found.dtype == torch.int64


def case() -> Case:
    labels = torch.stack([grid("1.", "11"), grid(".2", "..")])
    return Case("c", "p", torch.rand(1, 2, 2), labels, (1.0, 2.0), torch.rand(3, 2, 2))


def test_a_learner_may_see_boxes_of_every_reading():
    seen = weakly_labelled(case(), "boxes", 3)
    assert torch.equal(seen.labels, torch.stack([grid("11", "11"), grid(".2", "..")]))
    assert (seen.id, seen.patient, seen.spacing, seen.distribution) == ("c", "p", (1.0, 2.0), None)


def test_a_learner_may_see_classes_of_every_reading_and_no_voxel():
    seen = weakly_labelled(case(), "classes", 3)
    assert seen.present.tolist() == [[True, True, False], [True, False, True]]
    assert seen.labels.shape == (0, 2, 2)
    assert seen.distribution is None
    with pytest.raises(ValueError, match="kind: expected 'boxes' or 'classes', got 'points'"):
        weakly_labelled(case(), "points", 3)


def test_a_learner_may_be_taught_boxes_alone():
    """Neither the labels nor where patches are cut know more than the boxes."""
    cohort = tiny_cohort(3, 2, labelled=2, unlabelled=0)
    boxed = replace(
        cohort, labelled=tuple(weakly_labelled(case, "boxes", 2) for case in cohort.labelled), fingerprint="b"
    )
    one, other = (
        Batches(data, cohort.task, 3 * 8**3, 8, seed=4, reading=reading)
        for data, reading in ((cohort, "boxes"), (boxed, "reference"))
    )
    for step in range(3):
        assert all(torch.equal(a, b) for a, b in zip(one.batch(step)[:2], other.batch(step)[:2], strict=True))
    plain = Batches(cohort, cohort.task, 3 * 8**3, 8, seed=4).batch(0)
    assert (one.batch(0).label == 1).sum() > (plain.label == 1).sum()
