"""Where a case with several readings is looked at: where they differ."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.show.disagreement import (
    LEAST,
    NEAR,
    common_case,
    consensus_of,
    disagreement_window,
    errors,
    filled_readings,
)
from tests.show.drawn_cases import drawn, flat_case, square


def volume(*readings: torch.Tensor) -> Case:
    labels = torch.stack(readings)
    return Case("v", "v", torch.rand(1, *labels.shape[1:]), labels, (1.0, 1.0, 2.0))


def block(*slices: int) -> torch.Tensor:
    """A square of 8 x 8 on these of 6 slices."""
    found = torch.zeros(40, 50, 6, dtype=torch.uint8)
    for index in slices:
        found[10:18, 20:28, index] = 1
    return found


def test_it_is_the_slice_on_which_the_raters_differ_most():
    first, second = block(1, 2, 3, 4), block(1, 2, 3, 4)
    second[10:12, 20:22, 2], second[10:14, 20:26, 3] = 0, 0
    predicted = block(1, 2, 3)  # differs most on slice 4, from both
    found = disagreement_window(volume(first, second), [predicted])
    assert (found.axis, found.index) == (2, 3)


def test_of_a_single_rater_it_is_the_slice_on_which_the_predictions_differ():
    assert disagreement_window(volume(block(1, 2, 3, 4)), [block(1, 2, 3)]).index == 4


@pytest.mark.parametrize("axis", [0, -3])
def test_a_volume_is_cut_across_any_axis(axis):
    first, second = block(2), block(2)
    second[13] = 0
    found = disagreement_window(volume(first, second), [], axis)
    assert (found.axis, found.index) == (0, 13)


def test_the_window_holds_what_raters_and_predictions_mark():
    case = flat_case([square(40, 60, 200), square(42, 58, 200)])
    rows, columns = disagreement_window(case, [square(70, 90, 200)]).box
    assert rows.start <= 40
    assert rows.stop >= 90
    assert 1.25 * 50 <= rows.stop - rows.start <= 1.5 * 50
    assert rows == columns


@pytest.mark.parametrize("at", [3, 100, 195])
def test_a_small_mark_keeps_its_surroundings(at):
    rows, columns = disagreement_window(flat_case([square(at, at + 2, 200)]), []).box
    assert rows.stop - rows.start == columns.stop - columns.start == LEAST
    assert 0 <= rows.start <= at
    assert at + 2 <= rows.stop <= 200


def test_of_marks_all_over_a_large_image_the_most_disputed_part_is_shown():
    first = torch.zeros(600, 700, dtype=torch.uint8)
    first[::20], first[:200, :200] = 1, 1
    second = first.clone()
    second[300:360, 500:560] = 1
    rows, columns = disagreement_window(flat_case([first, second]), []).box
    assert rows.stop - rows.start == columns.stop - columns.start == NEAR
    assert rows.start <= 300
    assert rows.stop >= 360
    assert columns.start <= 500
    assert columns.stop >= 560


def test_where_nobody_marks_anything_the_whole_image_is_shown():
    found = disagreement_window(flat_case([torch.zeros(20, 30, dtype=torch.uint8)]), [])
    assert found.box == (slice(0, 20), slice(0, 30))


def test_what_a_rater_left_open_is_what_the_others_say():
    readings = torch.tensor([[[1, IGNORE, IGNORE, 2]], [[1, 2, IGNORE, 2]], [[0, 2, IGNORE, 1]]])
    case = Case("o", "o", torch.zeros(1, 1, 4), readings.to(torch.uint8), None)
    np.testing.assert_array_equal(consensus_of(case), [[1, 2, IGNORE, 2]])
    np.testing.assert_array_equal(filled_readings(case), [[[1, 2, 0, 2]], [[1, 2, 0, 2]], [[0, 2, 0, 1]]])


def test_errors_are_held_against_the_majority_where_somebody_labelled():
    readings = torch.tensor(
        [[[1, 0, 0, IGNORE]], [[1, 1, 0, IGNORE]], [[0, 1, 0, IGNORE]]], dtype=torch.uint8
    )
    case = Case("o", "o", torch.zeros(1, 1, 4), readings, None)
    predicted = torch.tensor([[1, 0, 1, 1]])
    np.testing.assert_array_equal(errors(drawn(case, predicted)), [[False, True, True, False]])


def test_all_methods_draw_one_case_that_has_a_reading():
    one, two = flat_case([square(2, 4)]), flat_case([square(2, 4)], "two")
    assert common_case({"a": drawn(one, square(2, 4)), "b": drawn(one, square(3, 5))}) is one
    with pytest.raises(
        ValueError, match=r"cases: expected one and the same for all methods, got one, two in 1 shapes"
    ):
        common_case({"a": drawn(one, square(2, 4)), "b": drawn(two, square(2, 4))})
    with pytest.raises(ValueError, match="got one in 2 shapes"):
        common_case({"a": drawn(one, square(2, 4)), "b": drawn(one, square(2, 4, 30))})
    with pytest.raises(ValueError, match=r"cases: expected one .* got none in 0 shapes"):
        common_case({})
    bare = Case("bare", "b", torch.zeros(1, 40, 40), torch.zeros(0, 40, 40, dtype=torch.uint8), None)
    with pytest.raises(ValueError, match="case bare: expected one reading or more, got none"):
        common_case({"a": drawn(bare, square(2, 4))})
