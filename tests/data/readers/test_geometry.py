"""Where images and labels lie: orientations by hand, and what is said of grids that differ."""

from pathlib import Path

import numpy as np
import pytest

from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.volume import Volume
from medseg_lab.data.readers.geometry import (
    arranged,
    from_canonical,
    require_same_grid,
    restored,
    to_canonical,
)

PATH = Path("case.nii.gz")

NUMBERS = np.arange(24).reshape(1, 2, 3, 4)

# Axis 0 goes down (2 mm), axis 1 to the left (3 mm), axis 2 to the front (4 mm): "ILA".
TURNED = np.array([[0, -3, 0, 10], [0, 0, 4, 20], [-2, 0, 0, 30], [0, 0, 0, 1.0]])


def test_to_canonical_exchanges_and_flips_axes():
    array, affine = to_canonical(NUMBERS, TURNED)
    # x is what was axis 1, flipped; y what was axis 2; z what was axis 0, flipped
    assert array.shape == (1, 3, 4, 2)
    expected = [[[NUMBERS[0, 1 - z, 2 - x, y] for z in range(2)] for y in range(4)] for x in range(3)]
    assert array[0].tolist() == expected
    # the voxel (0, 0, 0) is now the one that was (1, 2, 0): at (10 - 6, 20, 30 - 2)
    assert affine.tolist() == [[3, 0, 0, 4], [0, 4, 0, 20], [0, 0, 2, 28], [0, 0, 0, 1]]


def test_from_canonical_undoes_it():
    array, _ = to_canonical(NUMBERS, TURNED)
    np.testing.assert_array_equal(from_canonical(array, TURNED), NUMBERS)


def test_an_oblique_volume_is_flipped_and_not_resampled():
    turn = np.deg2rad(20)
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:2, :2] = [[-np.cos(turn), -np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    array, straightened = to_canonical(NUMBERS, affine)
    np.testing.assert_array_equal(array, NUMBERS[:, ::-1])
    np.testing.assert_allclose(straightened[:3, 0], -affine[:3, 0])


def test_a_volume_is_kept_in_canonical_orientation_with_its_spacing():
    kept = arranged(Volume(NUMBERS, TURNED, (2, 3, 4)), 3, PATH)
    assert kept.voxels.shape == (1, 3, 4, 2)
    assert kept.spacing == (3, 4, 2)


@pytest.mark.parametrize("lone", [0, 1, 2])
def test_a_slice_loses_its_lone_axis_wherever_it_is_and_gets_it_back(lone):
    voxels = np.expand_dims(np.arange(12).reshape(1, 3, 4), lone + 1)
    spacing = tuple(np.insert([2.0, 3.0], lone, 999))
    volume = Volume(voxels, np.diag([*(999 if s == 999 else s for s in spacing), 1.0]), spacing)
    kept = arranged(volume, 2, PATH)
    assert kept.voxels.tolist() == np.arange(12).reshape(1, 3, 4).tolist()
    assert kept.spacing == (2.0, 3.0)
    np.testing.assert_array_equal(restored(kept.voxels, volume), voxels)


@pytest.mark.parametrize("affine", [None, TURNED, np.eye(4)])
def test_a_prediction_of_several_channels_goes_back_to_the_grid_of_the_file(affine):
    volume = Volume(NUMBERS, affine, (2, 3, 4))
    kept = arranged(volume, 3, PATH).voxels
    both = restored(np.concatenate([kept, -kept]), volume)
    np.testing.assert_array_equal(both, np.concatenate([NUMBERS, -NUMBERS]))


@pytest.mark.parametrize(("shape", "dims"), [((2, 3, 4), 2), ((1, 1, 4), 2), ((3, 4), 3)])
def test_another_number_of_axes_is_refused(shape, dims):
    with pytest.raises(ValueError, match=r"case\.nii\.gz: expected (one slice|a volume): .*, got shape \("):
        arranged(Volume(np.zeros((1, *shape))), dims, PATH)


def test_one_slice_among_volumes_needs_a_thickness():
    with pytest.raises(ValueError, match=r"expected a spacing of .*, got 1 x 1 x 999 for shape \(3, 4, 1\)"):
        arranged(Volume(np.zeros((1, 3, 4, 1)), np.eye(4), (1, 1, 999)), 3, PATH)


def moved(*edges, origin=(0, 0, 0)):
    affine = np.diag([*edges, 1.0])
    affine[:3, 3] = origin
    return affine


SHAPE = (41, 31, 21)


@pytest.mark.parametrize("by", [0.049, 0.051])
def test_corners_may_differ_by_a_tenth_of_the_smallest_edge(by):
    """Which is 0.5 mm here."""
    grids = [Grid(SHAPE, moved(0.5, 2, 3, origin=(5, 5, at))) for at in (0, by)]
    if by < 0.05:
        require_same_grid(*grids, PATH)
        return
    with pytest.raises(
        ValueError, match=r"got corners 0\.051 mm from its own: origin 5 x 5 x 0 mm, the label's"
    ):
        require_same_grid(*grids, PATH)


@pytest.mark.parametrize(
    ("image", "label", "apart", "cause"),
    [
        (
            moved(0.5, 0.5, 2),
            moved(0.508, 0.5, 2),
            "0.32",
            r"spacing 0\.5 x 0\.5 x 2 mm, .*0\.508 x 0\.5 x 2 mm$",
        ),
        (moved(0.005, 0.005, 0.005), moved(0.01, 0.01, 0.01), "0.269", r"spacing 0\.005 x 0\.005"),
        (moved(0.5, 2, 3), moved(3, 0.5, 2), "111", r"spacing .* \(axes exchanged\?\)"),
        (moved(3, 3, 3), moved(3000, 3000, 3000), "1.61e\\+05", r"\(metres or micrometres for mm\?\)"),
        (moved(2, 2, 2), moved(-2, 2, 2, origin=(80, 0, 0)), "80", r"axes RAS, the label's LAS \(flipped\)"),
        (moved(2, 2, 2), moved(2, 2, 2)[:, [1, 0, 2, 3]], "113", r"axes RAS, the label's ARS \(exchanged\)"),
        (moved(2, 2, 2), np.eye(4), "53.9", "the label's header has no place and spacing of its own"),
    ],
)
def test_the_likely_cause_is_named(image, label, apart, cause):
    said = rf"case\.nii\.gz: expected the label's place, got corners {apart} mm from its own: .*{cause}"
    with pytest.raises(ValueError, match=said):
        require_same_grid(Grid(SHAPE, image), Grid(SHAPE, label), PATH)


def test_pictures_are_compared_by_shape_only():
    require_same_grid(Grid((3, 4)), Grid((3, 4), np.eye(4)), PATH)
    with pytest.raises(ValueError, match=r"shape \(3, 4\), got \(4, 3\): the same axes in another order"):
        require_same_grid(Grid((4, 3)), Grid((3, 4)), PATH)


def test_the_thickness_of_a_slice_counts_for_nothing():
    require_same_grid(Grid((9, 8, 1), moved(1, 1, 5)), Grid((9, 8, 1), moved(1, 1, 1)), PATH)
