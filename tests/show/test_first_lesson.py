"""The first chapter's pictures of one mask: numbers, overlap, distance, and millimetres, by hand."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from matplotlib.collections import PolyCollection
from toys import task

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.show.explorer import frame
from medseg_lab.show.first_lesson.dice import SHAPES, moving_shapes, overlap
from medseg_lab.show.first_lesson.far_speck import far_speck, surface_distances, with_speck
from medseg_lab.show.first_lesson.mask import mask_reader, mixed_window
from medseg_lab.show.first_lesson.thick_slices import measured, seen_from_the_side, thick_slices
from medseg_lab.show.first_lesson.voxels import compared, disc, moved
from medseg_lab.show.style import canvas


def case(label: torch.Tensor) -> Case:
    image = torch.arange(label.numel(), dtype=torch.float32).view(1, *label.shape) / 100
    spacing = (1.0,) * label.ndim if label.ndim == 3 else None
    return Case("one", "one", image, label[None].to(torch.uint8), spacing)


def block(*sides: slice, shape: tuple[int, ...]) -> np.ndarray:
    found = np.zeros(shape, bool)
    found[sides] = True
    return found


def written(ax) -> list[list[str]]:
    """The numbers in a panel, by row and column."""
    places = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    rows = sorted({row for row, _ in places})
    return [[places[row, column] for column in sorted({c for _, c in places})] for row in rows]


def voxels(ax) -> list[int]:
    """How many rectangles each of the three colours has."""
    return [len(of.get_paths()) for of in ax.collections if isinstance(of, PolyCollection)]


# a mask


def test_the_window_is_where_classes_mix_most():
    """A border between columns 11 and 12: a window of seven columns holds three or four of either side."""
    label = np.zeros((20, 30), np.uint8)
    label[:, 12:] = 1
    rows, columns = mixed_window(label)
    assert rows.stop - rows.start == columns.stop - columns.start == 7
    assert columns.start in (8, 9)


def test_two_marked_voxels_are_in_the_middle_of_their_window():
    label = np.zeros((20, 30), np.uint8)
    label[10, 15:17] = 1
    rows, columns = mixed_window(label)
    assert rows.start == 7
    assert columns.start in (12, 13)


def test_an_image_smaller_than_a_window_is_shown_whole():
    rows, columns = mixed_window(np.zeros((5, 4), np.uint8))
    assert rows.start == columns.start == 0


def test_the_numbers_are_the_voxels_and_stand_upright():
    """Axes of a volume run rightwards and upwards: the first voxel of a slice is at the bottom left."""
    label = torch.zeros(7, 7, 3)
    label[0, 0, 1] = 1
    label[6, 6, 1] = IGNORE
    draw, grid = mask_reader(case(label), task(3, 2), axis=2)
    assert grid == {"slice": [1]}
    fig = draw(slice=1)
    greys, classes = (written(ax) for ax in fig.axes[1:])
    assert classes[-1][0] == "1"
    assert classes[0][-1] == "?"
    assert sum(row.count("0") for row in classes) == 47
    # the value of voxel (x, y, 1) is (21 x + 3 y + 1) / 100
    assert greys[-1][0] == "0.0"
    assert greys[1][-1] == "1.4"
    assert greys[-1][-1] == "1.3"
    assert "47 of background, 1 of a" in fig.get_label()


def test_a_picture_has_places_along_its_structures():
    label = torch.zeros(30, 40)
    label[10:20, 10:20] = 1
    draw, grid = mask_reader(case(label), task(2, 2), most=5)
    assert grid == {"place": [1, 2, 3, 4, 5]}
    first = written(draw(place=1).axes[2])
    assert first[3][3] == "1"  # the window's middle is the corner (10, 10)
    assert first[2] == ["0"] * 7
    assert [row[2] for row in first] == ["0"] * 7


def test_a_picture_of_numbers_is_legible():
    label = torch.zeros(40, 40, 5)
    label[10:20, 10:20] = 2
    draw, grid = mask_reader(case(label), task(3, 3))
    assert_legible(draw(slice=grid["slice"][2]))


# Dice


def test_dice_of_squares_by_hand():
    """4 x 4 voxels, one column off: 12 in both, 2 * 12 / (16 + 16) and 12 / 20."""
    square = block(slice(2, 6), slice(2, 6), shape=(9, 9))
    found = overlap(square, moved(square, columns=1))
    assert found["dice"] == pytest.approx(24 / 32)
    assert found["iou"] == pytest.approx(12 / 20)


def test_what_moves_keeps_its_shape_and_what_leaves_is_lost():
    square = block(slice(1, 3), slice(0, 2), shape=(4, 5))
    assert np.argwhere(moved(square, 1, 2)).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    assert np.argwhere(moved(square, 0, -1)).tolist() == [[1, 0], [2, 0]]


def test_a_disc_has_the_voxels_within_its_radius():
    """Of radius 1 and a half: the 3 x 3 square, whose corners are 1.41 away."""
    assert disc(1, (5, 5), (2, 2)).sum() == 9
    assert disc(0, (5, 5), (2, 2)).sum() == 1


def test_every_voxel_is_drawn_once_in_its_colour():
    square = block(slice(2, 6), slice(2, 6), shape=(9, 9))
    ax = canvas().subplots()
    compared(ax, square, moved(square, columns=1))
    assert voxels(ax) == [12, 4, 4]
    corners = np.concatenate([path.vertices for path in ax.collections[2].get_paths()])
    assert corners.min(axis=0).tolist() == [6, 2]  # x, y: the new column, from its left edge
    assert corners.max(axis=0).tolist() == [7, 6]


def test_the_moving_shapes_say_their_dice():
    square = block(slice(2, 6), slice(2, 6), shape=(9, 14))
    fig = moving_shapes(range(6), {"a square": square, "a dot": disc(0, (9, 14), (4, 4))})(voxels=1)
    assert fig.axes[0].get_title("center") == "a square: Dice 0.75"
    assert fig.axes[0].get_xlabel() == "2·12 / (16 + 16)"
    assert fig.axes[1].get_title("center") == "a dot: Dice 0.00"
    curve = fig.axes[2].lines[0].get_ydata()
    assert curve == pytest.approx([1, 24 / 32, 16 / 32, 8 / 32, 0, 0])
    assert "a square Dice 0.75, IoU 0.60" in fig.get_label()


def test_the_shapes_of_the_chapter_stay_in_their_image_and_are_legible():
    for shape in SHAPES.values():
        assert moved(shape, columns=12).sum() == shape.sum()
    assert_legible(moving_shapes(range(13))(voxels=3))


# HD95


def test_the_speck_is_where_it_is_said_to_be():
    reference, prediction = with_speck(3, 30)
    speck = np.argwhere(prediction & ~moved(reference, columns=1))
    right = np.argwhere(reference)[:, 1].max()
    assert len(speck) == 9
    assert speck[:, 1].min() - right == 30


def test_surface_distances_by_hand():
    """A voxel, and another 3 rows and 4 columns away: 5 mm. A voxel of both is 0 away."""
    one, two = block(1, 1, shape=(8, 8)), block(slice(1, 5, 3), slice(1, 6, 4), shape=(8, 8))
    assert np.sort(surface_distances(two, one)).tolist() == [0, 3, 4, 5]
    assert surface_distances(one, two).tolist() == [0]


@pytest.mark.parametrize("edge", [1, 2, 3, 4, 6])
def test_hd95_is_the_percentile_of_the_surface_distances(edge):
    """Computed from the sorted distances: the speck counts as soon as its surface is 5% of all."""
    reference, prediction = with_speck(edge, 30)
    there, back = surface_distances(prediction, reference), surface_distances(reference, prediction)
    wanted = max(np.quantile(there, 0.95), np.quantile(back, 0.95))
    fig = far_speck(edge, 30)
    assert f"HD95 {wanted:.1f} mm,  largest {there[-1]:.0f} mm" in fig.axes[0].get_title("center")
    surface_of_speck = {1: 1, 2: 4, 3: 8, 4: 12, 6: 20}[edge]
    assert (wanted > 25) == (surface_of_speck / len(there) > 0.05)
    assert there[-1] > 30 - 1e-9


def test_dice_hardly_notices_the_speck_that_the_largest_distance_does():
    dice = {}
    for edge in (1, 6):
        reference, prediction = with_speck(edge, 60)
        dice[edge] = overlap(reference, prediction)["dice"]
        assert surface_distances(prediction, reference)[-1] >= 60
    assert dice[1] - dice[6] < 0.02


def test_the_picture_of_distances_is_legible():
    assert_legible(far_speck(3, 60))


# spacing


def test_millimetres_follow_the_thickness_and_voxels_do_not():
    reference = seen_from_the_side()
    up, aside = moved(reference, -1, 0), moved(reference, 0, 1)
    for thick in (1.0, 2.5, 8.0):
        assert measured(reference, up, (thick, 1.0))["hd95"] == pytest.approx(thick)
        assert measured(reference, aside, (thick, 1.0))["hd95"] == pytest.approx(1)
        assert measured(reference, up, (thick, 1.0))["dice"] == overlap(reference, up)["dice"]
    assert measured(reference, up, (1.0, 1.0))["hd95"] == pytest.approx(1)


def test_the_bars_and_the_area_are_what_is_measured():
    fig = thick_slices(4.0)
    assert [bar.get_width() for bar in fig.axes[1].patches] == pytest.approx([1, 4, 1, 1])
    count = int(seen_from_the_side().sum())
    assert fig.axes[1].get_title("center") == f"area {count} voxels, {4 * count} mm²"
    assert_legible(fig)


def test_thicker_slices_look_thicker_in_true_proportions():
    heights = {}
    for thick in (1.0, 8.0):
        ax = thick_slices(thick).axes[0]
        corners = np.concatenate([path.vertices for of in ax.collections[:2] for path in of.get_paths()])
        heights[thick] = np.ptp(corners[:, 1])
        assert ax.get_aspect() == 1
        assert abs(np.diff(ax.get_ylim())).item() == 80
    assert heights[8.0] == 8 * heights[1.0]


def test_frames_carry_their_description():
    assert "slices of 2 mm" in frame(thick_slices(2.0)).alt
