"""Slices of cases: which one is shown and which part, upright, with what is marked on it."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.show.cases import best_and_worst, side_by_side, telling_slice
from medseg_lab.show.contours import CONTOURS, cut_slice, in_rows, painted
from medseg_lab.show.spot import fullest, marked
from medseg_lab.show.style import canvas
from medseg_lab.show.volume import planes, slicer, slices

VOLUME = Task(1, ("background", "a", "b"), 3)


def boxed(*shape: int, spacing: tuple[float, ...] | None = None) -> Case:
    label = torch.zeros(1, *shape, dtype=torch.uint8)
    label[(0, *(slice(n // 4, n // 2) for n in shape))] = 1
    return Case("one", "one", torch.rand(1, *shape), label, spacing)


def test_a_volume_is_shown_in_three_planes_above_and_below():
    fig = planes(boxed(12, 16, 20), VOLUME)
    assert len(fig.axes) == 6
    assert [ax.get_title("center") for ax in fig.axes[:3]] == ["sagittal", "coronal", "axial"]
    assert "one" in fig.get_label()
    assert "a, b" in fig.get_label()


def test_a_slice_is_shown_as_it_is():
    assert len(planes(boxed(12, 16), Task(1, ("background", "a"), 2)).axes) == 2


def test_a_slice_of_a_volume_stands_upright():
    """Of an axial slice in RAS order the second axis, forwards, points up: its far end is the first row."""
    volume = np.zeros((3, 4, 5))
    volume[2, 3, 1] = 1
    cut = cut_slice(volume, {}, (1.0, 2.0, 4.0), axis=2, index=1)
    assert cut.image.shape == (4, 3)
    assert cut.image[0, 2] == 1
    assert cut.aspect == 2.0


def test_only_marked_slices_are_offered_and_not_too_many():
    shown = slices(boxed(40, 8, 8), axis=0)
    assert shown == list(range(10, 20))
    assert slices(boxed(40, 8, 8), axis=0, most=3) == [10, 14, 19]
    empty = Case("e", "e", torch.rand(1, 4, 4, 4), torch.zeros(1, 4, 4, 4, dtype=torch.uint8), None)
    assert slices(empty) == [2]


def test_a_frame_has_a_panel_for_the_reference_and_each_method():
    one = boxed(12, 16, 20)
    found = {"U-Net": one.label.numpy(), "FCN": np.zeros((12, 16, 20), dtype=np.uint8)}
    fig = slicer(one, found, VOLUME)(6)
    assert [ax.get_title("center") for ax in fig.axes] == ["reference", "U-Net", "FCN"]
    outlined = [len(ax.collections) for ax in fig.axes]
    assert outlined == pytest.approx([1, 1, 0])
    assert "Slice 6" in fig.get_label()


def test_a_photograph_is_shown_in_its_colours():
    red = np.linspace(-2, 3, 12 * 16, dtype=np.float32).reshape(12, 16)
    image = torch.from_numpy(np.stack([red, np.zeros_like(red), -red]))
    label = torch.zeros((1, 12, 16), dtype=torch.uint8)
    label[0, 3:6, 4:9] = 1
    photograph = Case("p", "p", image, label, None)
    shown = planes(photograph, Task(3, ("background", "a"), 2)).axes[0].images[0].get_array()
    assert shown.shape == (12, 16, 3)
    assert (shown[0, 0].tolist(), shown[-1, -1].tolist()) == ([0, 0, 1], [1, 0, 0])
    assert (
        planes(photograph, Task(3, ("background", "a"), 2), channel=1).axes[0].images[0].get_array().ndim == 2
    )


def cube(id: str, wrong: int) -> tuple[Case, np.ndarray]:
    """A cube, and a prediction that misses `wrong` of its 6 slices."""
    label = torch.zeros(10, 12, 14, dtype=torch.uint8)
    label[2:8, 3:9, 4:10] = 1
    prediction = label.numpy().copy()
    prediction[2 : 2 + wrong] = 0
    return Case(id, id, label[None].float(), label[None], (2.0, 1.0, 1.0)), prediction


def test_cases_that_the_caller_picked_keep_their_titles_and_order():
    (first, drawn), (second, missed) = cube("a", 1), cube("b", 5)
    predictions = {"method": {"a": drawn, "b": missed}}
    fig = side_by_side({"hurt": second, "helped": first}, predictions, Task(1, ("background", "cube"), 3))
    assert [ax.get_ylabel() for ax in fig.axes if ax.get_ylabel()] == ["hurt\nb", "helped\na"]
    assert [ax.get_title("center") for ax in fig.axes] == [
        *("image\n", "reference\n", "method\nDice 0.29"),
        *("", "", "Dice 0.91"),
    ]
    assert "hurt case b: method Dice 0.29. helped case a: method Dice 0.91" in fig.get_label()


def test_cases_are_picked_by_dice():
    pairs = [cube(f"c{wrong}", wrong) for wrong in (3, 0, 5, 1)]
    predictions = {"m": {case.id: found for case, found in pairs}}
    fig = best_and_worst([case for case, _ in pairs], predictions, Task(1, ("background", "cube"), 3))
    assert "best case c1: m Dice 1.00" not in fig.get_label()
    assert "best case c0: m Dice 1.00. median case c3: m Dice 0.67. worst case c5" in fig.get_label()


def test_more_methods_than_fit_are_refused():
    case, found = cube("c", 1)
    with pytest.raises(
        ValueError, match="expected 1 case or more and 1 to 5 methods, got 1 cases and 6 methods"
    ):
        best_and_worst([case], {str(i): {"c": found} for i in range(6)}, Task(1, ("background", "cube"), 3))


def test_the_telling_slice_is_where_readings_differ_most():
    reference = np.zeros((5, 4, 4), dtype=int)
    reference[1:4] = 1
    other = reference.copy()
    other[3, :2] = 0
    assert telling_slice(reference, [other], axis=0) == 3
    other[0] = 1  # wrong on all 16 voxels, yet the structure is not there
    assert telling_slice(reference, [other], axis=0) == 3
    assert telling_slice(reference, [reference], axis=0) == 1


def test_contours_differ_by_line_style():
    assert len({line for _, line in CONTOURS}) == len(CONTOURS)


def test_a_mask_covers_its_pixels_and_no_others():
    ax = canvas().add_subplot()
    ax.imshow(np.zeros((3, 4)), aspect=2.0)
    mask = np.zeros((3, 4), dtype=bool)
    mask[0, 1:3] = True
    painted(ax, mask, "#D55E00")
    pixels = np.asarray(ax.images[1].get_array())
    np.testing.assert_array_equal(pixels[..., 3], mask)
    np.testing.assert_allclose(pixels[0, 1, :3], to_rgb("#D55E00"))
    assert ax.images[0].get_extent() == ax.images[1].get_extent()
    assert ax.get_aspect() == 2.0


def test_a_legend_is_filled_row_by_row():
    first, second = ([Line2D([], [], label=name) for name in row] for row in ("ab", "cde"))
    fig = canvas()
    legend = fig.legend(**in_rows(first, second), loc="lower center")
    fig.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    assert places["a"].y0 == places["b"].y0 > places["c"].y0 == places["d"].y0 == places["e"].y0
    assert places["a"].x0 == places["c"].x0 < places["b"].x0 == places["d"].x0 < places["e"].x0


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
    with pytest.raises(ValueError, match="case u: expected a reference label, got none"):
        fullest(bare, 2)
