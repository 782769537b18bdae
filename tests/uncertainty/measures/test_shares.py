import pytest
import torch
from measure_toys import labels

from medseg_lab.uncertainty.measures.shares import check_labels, check_same_voxels, shares


def test_the_shares_by_hand():
    readings = torch.tensor([[0, 1, 2], [0, 1, 1], [0, 0, 2], [0, 1, 0]], dtype=torch.uint8)
    expected = torch.tensor([[1, 0.25, 0.25], [0, 0.75, 0.25], [0, 0, 0.5]])
    torch.testing.assert_close(shares(readings, 3), expected, rtol=0, atol=0)


def test_each_voxel_has_shares_that_sum_to_one():
    found = shares(labels(5, (4, 6, 3), 4), 4)
    assert found.shape == (4, 4, 6, 3)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(4, 6, 3))


@pytest.mark.parametrize(("value", "seen"), [(255, "0 to 255"), (3, "0 to 3")])
def test_a_voxel_that_a_rater_left_open_is_refused(value, seen):
    readings = torch.tensor([[0, 1], [0, value]])
    with pytest.raises(ValueError, match=f"readings: got classes {seen}, wanted 0 to 2"):
        shares(readings, 3)


def test_a_negative_class_is_refused():
    with pytest.raises(ValueError, match="samples: got classes -1 to 1, wanted 0 to 1"):
        check_labels("samples", torch.tensor([[0, 1], [0, -1]]), 2)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (4,)])
def test_no_reading_or_no_voxel_is_refused(shape):
    with pytest.raises(ValueError, match=r"readings: got shape .* wanted \(R, \*S\)"):
        shares(torch.zeros(shape, dtype=torch.uint8), 2)


def test_other_voxels_are_refused():
    check_same_voxels(("samples", torch.zeros(2, 3, 4, 5)), ("readings", torch.zeros(7, 4, 5)), leading=2)
    with pytest.raises(
        ValueError, match=r"samples: got spatial shape \(4, 5\), wanted that of the readings, \(20,\)"
    ):
        check_same_voxels(("samples", torch.zeros(2, 4, 5)), ("readings", torch.zeros(7, 20)))
