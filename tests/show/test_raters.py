"""Readings of several raters in a figure: what it says, what it draws, and that it can be read."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import pictured
from medseg_lab.show.raters import RANGE, by_agreement, show_raters
from tests.show.legible import assert_legible

FLAT = Task(1, ("background", "nodule"), 2)
SOLID = Task(1, ("background", "wall", "cavity"), 3)


def squares(id: str, *sides: int, edge: int = 40) -> Case:
    """One square a rater, all with the same upper left corner; a side of 0 is an empty reading."""
    labels = torch.zeros(len(sides), edge, edge, dtype=torch.uint8)
    for label, side in zip(labels, sides, strict=True):
        label[6 : 6 + side, 6 : 6 + side] = 1
    return Case(id, id, torch.arange(float(edge)).expand(1, edge, edge).clone(), labels, None)


def boxes() -> Case:
    """Two classes in a volume of 2 mm voxels; the raters differ in the cavity, of which slice 5 has most."""
    labels = torch.zeros(2, 24, 20, 8, dtype=torch.uint8)
    labels[:, 2:22, 2:18, :7] = 1
    labels[0, 8:12, 6:10, 3:6] = 2
    labels[1, 8:12, 6:10, 5] = 2
    labels[1, 8:14, 6:9, 5] = 2
    return Case("solid", "solid", labels[:1].float(), labels, (2.0, 2.0, 2.0))


def painted_pixels(ax) -> dict[str, int]:
    """How many pixels each colour of the range has on a panel."""
    found = {}
    for name, colour in RANGE.items():
        masks = [im.get_array() for im in ax.images[1:]]
        masks = [mask for mask in masks if np.allclose(mask[0, 0, :3], to_rgb(colour))]
        found[name] = int(sum(mask[..., 3].sum() for mask in masks))
    return found


def test_the_figure_says_its_numbers():
    fig = show_raters({"one": squares("c1", 4, 6)}, FLAT)
    # 16 and 36 pixels, 16 of them shared: Dice 32/52
    assert fig.get_label() == (
        "Each rater's outline of nodule, and the range between what all and what any of them mark. one, case "
        "c1: mean pairwise Dice 0.62, volumes 16, 36 pixels, consensus 16 and possible 36 pixels."
    )


def test_the_titles_say_the_numbers_of_each_case():
    fig = show_raters({"near": squares("a", 4, 4, 4), "far": squares("b", 0, 3, 6)}, FLAT)
    titles = [ax.get_title("center") for ax in fig.axes]
    assert titles[0].strip() == "image"
    assert titles[1] == "outlines of nodule\npairwise Dice 1.00\n16, 16, 16 pixels"
    assert titles[2] == "variability range\n16 to 16 pixels\nrange / mean volume 0.00"
    assert titles[4] == "pairwise Dice 0.13\n0, 9, 36 pixels"  # 0, 0 and 18/45
    assert titles[5] == "0 to 36 pixels\nrange / mean volume 2.40"  # 36 over 15
    assert [ax.get_ylabel() for ax in fig.axes[::3]] == ["near\na", "far\nb"]


def test_volumes_have_as_many_digits_as_tell_them_apart():
    fig = show_raters({"one": squares("c1", 31, 32, 101, 110, edge=200)}, FLAT)
    assert "volumes 961, 1024, 10.2k, 12.1k pixels" in fig.get_label()


def test_the_consensus_and_the_range_are_painted_in_two_colours():
    fig = show_raters({"one": squares("c1", 4, 6)}, FLAT)
    assert painted_pixels(fig.axes[2]) == {"all raters": 16, "some raters": 20}
    light = [np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in RANGE.values()]
    assert abs(light[0] - light[1]) > 0.3


def test_each_rater_who_marks_anything_has_an_outline_of_its_own():
    fig = show_raters({"one": squares("c1", 4, 0, 6, 5)}, FLAT)
    lines = fig.axes[1].collections
    assert len(lines) == 3
    assert len({tuple(line.get_edgecolor()[0]) for line in lines}) == 3
    widths = [line.get_linewidth()[0] for line in lines]
    assert widths == sorted(set(widths), reverse=True)  # those that coincide are all seen
    assert [bool(line.get_path_effects()) for line in lines] == [True, False, False]  # one shadow
    assert not fig.axes[0].collections


def test_an_outline_lies_on_the_border_of_its_mask():
    fig = show_raters({"one": squares("c1", 4, 6)}, FLAT)
    lines = fig.axes[1].collections[0]
    transform = lines.get_transform() - fig.axes[1].transData
    points = transform.transform(lines.get_paths()[0].vertices)
    assert points.min(axis=0) == pytest.approx([5.5, 5.5])
    assert points.max(axis=0) == pytest.approx([9.5, 9.5])


def test_the_legend_names_the_raters_and_the_range():
    fig = show_raters({"one": squares("c1", 4, 5, 6)}, FLAT)
    (legend,) = fig.legends
    shown = [text.get_text() for text in legend.get_texts() if text.get_text().strip()]
    assert sorted(shown) == ["all raters", "rater 1", "rater 2", "rater 3", "some raters"]
    lines = {tuple(np.round(line.get_edgecolor()[0][:3], 3)) for line in fig.axes[1].collections}
    keys = {
        tuple(np.round(to_rgb(line.get_color()), 3))
        for line in legend.get_lines()
        if line.get_label().strip()
    }
    assert lines == keys


def test_a_small_structure_is_shown_from_near_and_framed():
    fig = show_raters({"one": squares("c1", 4, 6)}, FLAT)
    left, right = fig.axes[1].get_xlim()
    assert left < 5.5
    assert 11.5 < right < 25
    assert fig.axes[2].get_xlim() == (left, right)
    assert fig.axes[0].get_xlim() == (-0.5, 39.5)
    (frame,) = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    assert (frame.get_x(), frame.get_x() + frame.get_width()) == (left, right)


def test_crowded_outlines_are_shown_where_they_differ():
    fig = show_raters({"one": squares("c1", 30, 33)}, FLAT)
    (left, right), (low, high) = fig.axes[1].get_xlim(), fig.axes[1].get_ylim()
    assert right - left == low - high == 40 // 3
    assert left < 35 < right or high < 35 < low  # the border, at 36 and 39


def test_the_slice_shown_is_that_on_which_any_rater_marks_most():
    labels = torch.zeros(2, 12, 12, 6, dtype=torch.uint8)
    labels[:, 4:6, 4:6, 1] = 1
    labels[0, 4:7, 4:7, 3] = 1
    case = Case("c1", "c1", labels[:1].float(), labels, None)
    fig = show_raters({"one": case}, Task(1, ("background", "nodule"), 3))
    assert painted_pixels(fig.axes[2]) == {"all raters": 0, "some raters": 9}


def test_a_class_of_a_volume_is_shown_where_most_of_it_is():
    fig = show_raters({"one": boxes()}, SOLID, marked=2)
    # rater 1 marks 3 slices of 16 voxels, rater 2 one of 22, which share 16; a voxel has 0.008 ml
    assert "outline of cavity" in fig.get_label()
    assert "Dice 0.46, volumes 0.384, 0.176 ml, consensus 0.128 and possible 0.432 ml" in fig.get_label()
    assert painted_pixels(fig.axes[2]) == {"all raters": 16, "some raters": 6}


def test_a_slice_stands_upright():
    fig = show_raters({"one": boxes()}, SOLID, marked=2)
    assert fig.axes[0].images[0].get_array().shape == (20, 24)
    consensus = fig.axes[2].images[1].get_array()[..., 3]
    columns, rows = (np.flatnonzero(consensus.any(axis=axis)) for axis in (0, 1))
    assert columns.tolist() == [8, 9, 10, 11]  # the first axis runs rightwards
    assert rows.tolist() == [10, 11, 12, 13]  # the second upwards: 6 to 9 of 20
    across = show_raters({"one": boxes()}, SOLID, marked=2, slice_axis=0)
    assert across.axes[0].images[0].get_array().shape == (8, 20)


def test_a_region_is_compared_as_a_whole():
    fig = show_raters({"one": boxes()}, SOLID, marked=[2, 1])
    assert "outline of wall and cavity" in fig.get_label()
    assert "Dice 1.00, volumes 17.9, 17.9 ml" in fig.get_label()


def test_a_photograph_keeps_its_colours():
    torch.manual_seed(0)
    case = squares("c1", 4, 6)
    case = Case("c1", "c1", torch.rand(3, 40, 40), case.labels, None)
    shown = show_raters({"one": case}, FLAT).axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, pictured(case).astype(shown.dtype))
    assert show_raters({"one": case}, FLAT, channel=1).axes[0].images[0].get_array().shape == (40, 40)


@pytest.mark.parametrize("count", [1, 3])
def test_all_words_can_be_read(count):
    rows = {
        f"agree least {i}": squares(f"LIDC-IDRI-0917_nodule-1_slice-{i}", 30, 31, 32, 33)
        for i in range(count)
    }
    fig = show_raters(rows, FLAT)
    assert_legible(fig)
    inches = [ax.get_window_extent().width / fig.dpi for ax in fig.axes]  # as large as three fit a page
    assert min(inches) > 2.0
    assert_legible(show_raters({"in between": boxes(), "agree least": boxes()}, SOLID, marked=2))


def test_cases_are_ranked_by_the_dice_of_pairs():
    cases = [
        squares("b", 4, 6),
        squares("none", 0, 0),
        squares("d", 2, 6),
        squares("a", 5, 5),
        squares("c", 3, 6),
    ]
    picked = by_agreement(cases)
    assert {title: case.id for title, case in picked.items()} == {
        "agree most": "a",
        "in between": "c",
        "agree least": "d",
    }
    assert list(by_agreement(cases[:3])) == ["agree most", "agree least"]
    assert [case.id for case in by_agreement(cases[2:4]).values()] == ["a", "d"]
    assert [case.id for case in by_agreement(cases[:2]).values()] == ["b"]


def test_cases_are_ranked_by_the_class_that_is_asked_for():
    readings = torch.tensor([[[1, 1, 2, 0]], [[1, 1, 0, 2]]])  # alike in class 1 alone
    first = Case("first", "first", torch.zeros(1, 1, 4), readings, None)
    others = torch.tensor([[[0, 1, 2, 2]], [[1, 0, 2, 2]]])  # alike in class 2 alone
    second = Case("second", "second", torch.zeros(1, 1, 4), others, None)
    assert [case.id for case in by_agreement([first, second], marked=1).values()] == ["first", "second"]
    assert [case.id for case in by_agreement([first, second], marked=2).values()] == ["second", "first"]


def test_cases_that_nobody_marked_are_no_choice():
    with pytest.raises(ValueError, match="cases: expected one or more with a mark, got none in 1"):
        by_agreement([squares("none", 0, 0)])


@pytest.mark.parametrize("sides", [(4,), (4, 4, 4, 4, 4)])
def test_two_to_four_readings_are_shown(sides):
    with pytest.raises(ValueError, match=f"case c1: expected 2 to 4 readings, got {len(sides)}"):
        show_raters({"one": squares("c1", *sides)}, FLAT)


def test_no_cases_and_unknown_classes_are_refused():
    with pytest.raises(ValueError, match="cases: expected one or more, got none"):
        show_raters({}, FLAT)
    for marked in (2, -1, [0, 2], []):
        with pytest.raises(ValueError, match="marked: expected classes from 0 to 1, got"):
            show_raters({"one": squares("c1", 4, 6)}, FLAT, marked=marked)
