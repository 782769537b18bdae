"""Where a case is looked at: on its fullest slice, around what is marked there."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.show.contours import cut_slice
from medseg_lab.show.spot import fullest, marked

GENERATOR = torch.Generator().manual_seed(0)
SPACING = (1.0, 2.0, 4.0)


def case(label: torch.Tensor, spacing=None) -> Case:
    image = torch.rand((1, *label.shape), generator=GENERATOR)
    return Case("one", "one", image, label[None], spacing)


def block() -> Case:
    label = torch.zeros(40, 30, 20, dtype=torch.uint8)
    label[10:14, 6:12, 5] = 1
    label[20:24, 16:19, 7] = 2
    return case(label, SPACING)


@pytest.mark.parametrize(("axis", "index"), [(2, 5), (-1, 5), (0, 10), (1, 6)])
def test_it_is_the_slice_with_most_marked_across_any_axis(axis, index):
    found = fullest(block(), axis)
    assert (found.axis, found.index) == (axis % 3, index)


def test_voxels_left_open_do_not_count():
    one = block()
    one.labels[0, :, :, 9] = IGNORE
    assert fullest(one, 2).index == 5
    assert marked(one).sum() == 24 + 12


def test_the_window_holds_what_is_marked_and_is_square_in_millimetres():
    found = fullest(block(), 2)
    rows, columns = found.box
    assert rows.start <= 10
    assert rows.stop >= 14
    assert columns.start <= 6
    assert columns.stop >= 12
    assert (rows.stop - rows.start) * 1.0 == pytest.approx((columns.stop - columns.start) * 2.0, abs=2)


def test_the_window_is_at_least_a_patch_and_inside_the_image():
    rows, columns = fullest(block(), 2, (36, 64)).box
    assert (rows.stop - rows.start, columns.stop - columns.start) == (36, 30)
    assert rows.start >= 0
    assert rows.stop <= 40
    assert columns == slice(0, 30)
    assert fullest(block(), 2, (8, 8, 8)) == fullest(block(), 2)


def test_image_and_labels_are_taken_from_the_same_place():
    one = block()
    for axis in range(3):
        found = fullest(one, axis)
        image = found.image(one)
        assert image.shape == (1, 1, *found.of(one.label.numpy()).shape)
        np.testing.assert_array_equal(image[0, 0], found.of(one.image[0].numpy()))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_picture_of_it_stands_as_that_of_the_whole_slice_does(axis):
    one = block()
    found = fullest(one, axis, (100, 100))  # so that the window is the slice
    label = one.label.numpy()
    here = found.cut(one, {"label": found.of(label)})
    whole = cut_slice(one.image[0].numpy(), {"label": label}, SPACING, axis, found.index)
    np.testing.assert_array_equal(here.image, whole.image)
    np.testing.assert_array_equal(here.labels["label"], whole.labels["label"])
    assert here.aspect == whole.aspect


def test_a_photograph_is_its_own_slice_in_its_colours():
    label = torch.zeros(12, 16, dtype=torch.uint8)
    label[3:5, 4:6] = 1
    photograph = Case("p", "p", torch.rand(3, 12, 16, generator=GENERATOR), label[None], None)
    found = fullest(photograph, 2)
    assert found.axis is None
    shape = found.of(label.numpy()).shape
    assert found.image(photograph).shape == (1, 3, *shape)
    assert found.cut(photograph, {"label": found.of(label.numpy())}).image.shape == (*shape, 3)


def test_where_nothing_is_marked_the_window_is_the_slice():
    found = fullest(case(torch.zeros(6, 7, 3, dtype=torch.uint8)), 2)
    assert found.box == (slice(0, 6), slice(0, 7))


def test_a_case_without_a_label_is_refused():
    bare = Case("u", "u", torch.rand(1, 4, 4, 4), torch.zeros(0, 4, 4, 4, dtype=torch.uint8), None)
    with pytest.raises(ValueError, match="case: got u without a label"):
        fullest(bare, 2)
