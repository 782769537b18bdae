"""The spread among readings, on masks small enough to count."""

import pytest
import torch
from monai.metrics import compute_dice

from medseg_lab.data.case import IGNORE
from medseg_lab.uncertainty.variability.spread import pairwise_dice, variability

ROWS = torch.tensor(
    [
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 0, 0, 0],
    ],
    dtype=torch.uint8,
)
"""4, 4 and 2 marked; shared by the pairs: 3, 2 and 2."""


def flat(readings: torch.Tensor) -> torch.Tensor:
    """`(R, n)` as images `(R, 2, n)`, of which the second row is background."""
    return torch.stack([readings, torch.zeros_like(readings)], dim=1)


def test_the_consensus_is_what_all_mark_and_possible_is_what_any_marks():
    found = variability(ROWS)
    assert found.consensus.int().tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert found.possible.int().tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
    assert found.range.int().tolist() == [0, 1, 1, 0, 0, 1, 0, 0]
    assert found.interval == (2, 5)


def test_range_volumes_and_dice_by_hand():
    found = variability(ROWS)
    assert found.relative_range == pytest.approx(3 / (10 / 3))
    assert found.volumes.tolist() == [4, 4, 2]
    assert found.volume_range == pytest.approx(2 / (10 / 3))
    # deviations 2/3, 2/3 and -4/3 from the mean 10/3
    assert found.volume_deviation == pytest.approx((8 / 9) ** 0.5 / (10 / 3))
    assert found.dice.tolist() == pytest.approx([6 / 8, 4 / 6, 4 / 6])
    assert found.mean_dice == pytest.approx((6 / 8 + 4 / 6 + 4 / 6) / 3)


def test_pairwise_dice_is_that_of_monai_in_the_order_of_the_pairs():
    torch.manual_seed(0)
    masks = torch.rand(5, 6, 7, 8) < 0.4
    pairs = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    first, second = (masks[[pair[i] for pair in pairs]][:, None].float() for i in (0, 1))
    expected = compute_dice(first, second, include_background=True)[:, 0]
    torch.testing.assert_close(pairwise_dice(masks).float(), expected)


@pytest.mark.parametrize("readings", [torch.zeros(3, 8, dtype=torch.uint8), ROWS[:1].expand(3, -1)])
def test_equal_readings_have_no_range(readings):
    found = variability(readings)
    assert found.dice.tolist() == [1, 1, 1]
    assert found.mean_dice == 1
    assert (found.relative_range, found.volume_range, found.volume_deviation) == (0, 0, 0)
    assert found.interval == (readings[0].sum(), readings[0].sum())


@pytest.mark.parametrize("raters", [2, 4])
def test_readings_without_overlap_have_the_largest_range_and_no_consensus(raters):
    found = variability(torch.eye(raters, dtype=torch.uint8))
    assert found.relative_range == pytest.approx(raters)
    assert found.interval == (0, raters)
    assert found.mean_dice == 0


def test_a_class_is_compared_alone_and_a_region_as_a_whole():
    readings = torch.tensor([[1, 2, 2, 0], [1, 1, 2, 3]])
    assert variability(readings, 1).dice.tolist() == pytest.approx([2 / 3])
    assert variability(readings, 2).dice.tolist() == pytest.approx([2 / 3])
    assert variability(readings, [1, 2]).dice.tolist() == [1]
    assert variability(readings, (1, 2, 3)).volumes.tolist() == [3, 4]


def test_an_empty_reading_is_an_answer():
    found = variability(torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 0]]))
    assert found.interval == (0, 2)
    assert found.dice.tolist() == [0, 0, 1]
    assert found.relative_range == found.volume_range == pytest.approx(3)


def test_voxels_that_a_rater_did_not_annotate_are_ignored():
    readings = torch.tensor([[1, 1, IGNORE, 0], [1, 1, 1, IGNORE], [1, 0, 1, 1]], dtype=torch.uint8)
    found = variability(readings)
    assert found.possible.tolist() == [True, True, False, False]
    assert found.volumes.tolist() == [2, 2, 1]
    assert variability(readings, IGNORE).volumes.tolist() == [0, 0, 0]


def test_volumes_are_in_millilitres_areas_in_square_millimetres_and_ratios_have_no_unit():
    area = variability(flat(ROWS), spacing=(0.5, 3.0))
    assert area.unit == "mm²"
    assert area.volumes.tolist() == [6, 6, 3]
    volume = variability(flat(ROWS)[..., None], spacing=(10.0, 5.0, 4.0))
    assert volume.unit == "ml"
    assert volume.volumes.tolist() == pytest.approx([0.8, 0.8, 0.4])
    assert volume.interval == pytest.approx((0.4, 1.0))
    plain = variability(flat(ROWS))
    assert (plain.unit, variability(flat(ROWS)[..., None]).unit) == ("pixels", "voxels")
    assert area.relative_range == pytest.approx(plain.relative_range)
    assert area.volume_deviation == pytest.approx(plain.volume_deviation)


def test_one_reading_and_a_spacing_of_another_number_of_axes_are_refused():
    with pytest.raises(ValueError, match="readings: expected two or more, got 1"):
        variability(ROWS[:1])
    with pytest.raises(ValueError, match=r"spacing: expected 2 values, got \(1.0, 1.0, 1.0\)"):
        variability(flat(ROWS), spacing=(1.0, 1.0, 1.0))
