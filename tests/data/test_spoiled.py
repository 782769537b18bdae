"""Labels that are wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import tiny_cohort

from medseg_lab.data.batches import Batches
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.mapped import relabelled
from medseg_lab.data.share import shared
from medseg_lab.data.spoiled import WAYS, spoiled


def volume(name: str = "a", slices: int = 20) -> Case:
    """A square of 7 x 7 in each slice but the first two, in class 1, its middle row in class 2."""
    label = torch.zeros((24, 24, slices), dtype=torch.uint8)
    label[8:15, 8:15, 2:], label[11, 8:15, 2:] = 1, 2
    return Case(name, name, torch.zeros(1, *label.shape), label[None], (1.0, 1.0, 3.0))


def changed_slices(case: Case, share: float) -> np.ndarray:
    return (spoiled(case, 2, share) != case.label).any(0).any(0).numpy()


def test_the_share_of_the_marked_slices_is_spoiled():
    """18 slices are marked: a third of them are 6, and a share of .3 is 5 or 6, 5.4 in the mean."""
    assert changed_slices(volume(), 1 / 3).sum() in (6, 7)  # 1/3 of 18 may be a little more than 6
    counts = [int(changed_slices(volume(str(number)), 0.3).sum()) for number in range(60)]
    assert set(counts) == {5, 6}
    assert np.mean(counts) == pytest.approx(5.4, abs=0.2)
    assert not changed_slices(volume(), 0.0).any()
    assert changed_slices(volume(), 1.0).sum() == 18
    assert not changed_slices(volume(), 1.0)[:2].any()  # nothing is marked there


def test_regions_are_grown_moved_and_missing_in_turn():
    found = spoiled(volume(), 2, 1.0).movedim(2, 0)[2:]
    sizes = [int((plane > 0).sum()) for plane in found]
    moved = [plane for plane, size in zip(found, sizes, strict=True) if size == 49]
    assert sizes.count(0) == len(moved) == sum(size > 49 for size in sizes) == 6
    assert len({tuple(plane.nonzero()[0].tolist()) for plane in moved}) > 1


def test_each_way_by_hand():
    """A row of three pixels has the radius sqrt(3 / pi) = .98: it grows by one pixel, and moves by one."""
    region = np.zeros((5, 7), dtype=np.uint8)
    region[2, 2:5] = (1, 1, 2)
    rng = np.random.default_rng(0)
    grown, moved, missing = (way(region, rng) for way in WAYS)
    expected = np.zeros_like(region)
    expected[1:4, 2:5], expected[2, 1], expected[2, 5] = (1, 1, 2), 1, 2
    assert np.array_equal(grown, expected)
    assert sorted(moved[moved > 0]) == [1, 1, 2]
    assert np.abs(np.argwhere(moved == 2)[0] - (2, 4)).max() == 1
    assert not missing.any()


def test_how_far_goes_by_the_size_of_the_region():
    """A square of 49 pixels has the radius 3.95: it grows by 1.97, to 9 x 9, and moves by 3.95, rounded."""
    region = np.zeros((25, 25), dtype=np.uint8)
    region[9:16, 9:16] = 1
    rng = np.random.default_rng(0)
    assert np.array_equal(WAYS[0](region, rng), np.pad(np.ones((9, 9), dtype=np.uint8), 8))
    by = [np.argwhere(WAYS[1](region, rng)).mean(axis=0) - 12 for _ in range(20)]
    assert all(3.95 - 0.71 <= np.hypot(*one) <= 3.95 + 0.71 for one in by)
    assert np.ptp([np.arctan2(*one) for one in by]) > np.pi


def test_chance_says_which_slices_are_spoiled_and_how():
    which = {tuple(changed_slices(volume(str(number)), 0.3)) for number in range(8)}
    assert len(which) == 8
    sizes = [int((spoiled(volume(str(number), 3), 2, 1.0) > 0).sum()) for number in range(12)]
    assert 0 in sizes
    assert 49 in sizes
    assert max(sizes) > 49


def test_what_nobody_labelled_stays_so_and_is_no_region():
    for number in range(6):  # each way
        case = volume(str(number))
        case.labels[0, 15, 8:15] = case.labels[0, 0, :, 0] = IGNORE
        before = case.label.clone()
        found = spoiled(case, 2, 1.0)
        assert torch.equal(found == IGNORE, before == IGNORE)
        assert torch.equal(case.label, before)
        unknown = torch.zeros((9, 9), dtype=torch.uint8)
        unknown[4, 4] = IGNORE
        picture = Case(str(number), "a", torch.zeros(1, 9, 9), unknown[None], None)
        assert torch.equal(spoiled(picture, 2, 1.0), unknown)


def test_it_is_a_function_of_the_case_alone():
    assert torch.equal(spoiled(volume(), 2), spoiled(volume(), 2))
    assert not torch.equal(spoiled(volume(), 2), spoiled(volume("another"), 2))


def test_of_a_picture_objects_are_spoiled_and_the_others_stay():
    label = torch.zeros((40, 40), dtype=torch.uint8)
    for row in range(4, 40, 12):
        for column in range(4, 40, 12):
            label[row : row + 3, column : column + 3] = 1
    label[0, 0] = IGNORE
    picture = Case("a", "a", torch.zeros(1, 40, 40), label[None], None)
    found = spoiled(picture, 2, 1 / 3)
    touched = [
        bool((found != label)[row - 2 : row + 6, column - 2 : column + 6].any())
        for row in range(4, 40, 12)
        for column in range(4, 40, 12)
    ]
    assert sum(touched) in (3, 4)
    assert found[0, 0] == IGNORE
    assert (spoiled(picture, 2, 1.0) == IGNORE).sum() == 1


def test_a_share_beyond_the_whole_is_refused():
    with pytest.raises(ValueError, match=r"share: expected 0 to 1, got 1\.5"):
        spoiled(volume(), 2, 1.5)


@pytest.mark.parametrize("plane", [0, 1])
def test_a_learner_may_be_taught_spoiled_labels(plane):
    """The same ones in every plane; cases on disk are spoiled as they are in memory."""
    cohort = tiny_cohort(3, 2, labelled=2)
    changed = tuple(relabelled(case, spoiled(case, 0)) for case in cohort.labelled)
    card = cohort.card.model_copy(
        update={"preprocessing": cohort.card.preprocessing.model_copy(update={"slice_axis": 0})}
    )
    cohort = replace(cohort, card=card)
    task = replace(cohort.task, spatial_dims=2)
    one, other, on_disk, plain = (
        Batches(each, task, 3 * 8**2, 8, seed=4, reading=reading, plane=plane)
        for each, reading in (
            (cohort, "spoiled"),
            (replace(cohort, labelled=changed), "reference"),
            (shared(cohort).open(), "spoiled"),
            (cohort, "reference"),
        )
    )
    for step in range(3):
        assert torch.equal(one.batch(step).label, other.batch(step).label)
        assert torch.equal(one.batch(step).label, on_disk.batch(step).label)
    assert any(not torch.equal(one.batch(step).label, plain.batch(step).label) for step in range(3))
