"""A watershed cuts touching objects apart."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_grey_values import seen
from toys import task

from medseg_lab.classical.watershed import Watershed, lines_between

ROWS, COLUMNS = np.mgrid[:31, :41]


def discs(apart):
    """Two discs of radius 8, whose middles lie `apart` pixels from one another in a row."""
    middles = (20 - apart / 2, 20 + apart / 2)
    return np.any([(ROWS - 15) ** 2 + (COLUMNS - at) ** 2 <= 64 for at in middles], axis=0)


def test_two_touching_discs_are_cut_at_their_waist():
    both = discs(14)
    line = lines_between(both, 1.0)
    assert (ndimage.label(both)[1], ndimage.label(both & ~line)[1]) == (1, 2)
    assert set(np.flatnonzero(line.any(axis=0))) <= {19, 20, 21}
    assert 0 < line.sum() < 12


def test_one_object_is_not_cut():
    assert not lines_between(discs(0), 1.0).any()
    assert not lines_between(discs(4), 1.0).any()  # an oval has no waist
    assert not lines_between(np.zeros((5, 5), dtype=bool), 1.0).any()


@pytest.mark.parametrize("depth", [1.0, 4.0])
def test_a_small_or_thin_object_is_not_taken_for_a_line(depth):
    """Lower than the depth or not, alone, beside a large one or at its corner, it stays whole."""
    small = np.zeros((31, 41), dtype=bool)
    small[2:4, 2:4] = small[28, 5:20] = True
    assert not lines_between(small, depth).any()
    assert not lines_between(small | discs(0), depth).any()
    corner = np.zeros((20, 20), dtype=bool)
    corner[2:12, 2:12] = corner[12:14, 12:14] = True
    assert not lines_between(corner, depth).any()


def test_a_shallow_pass_is_a_rough_border_unless_the_depth_says_otherwise():
    """The passes between discs at 10 pixels lie less than 3 below the hills."""
    assert lines_between(discs(14), 1.0).any()
    assert not lines_between(discs(10), 3.0).any()


def test_the_line_is_background_and_its_share_is_noted():
    learner = Watershed(task(2, 2), smoothing=0.0)
    seen(learner, [0.0, 5.0], [0, 1])
    both = discs(14)
    image = torch.tensor(np.where(both, 5.0, 0.0))[None]
    found = learner.finish(torch.zeros(2, 31, 41), image).argmax(0).numpy()
    assert np.array_equal(found == 1, both & ~lines_between(both, 1.0))
    assert learner.case_activity["cut"] == 1 - found.sum() / both.sum()


def test_balls_are_cut_apart_in_a_volume():
    axes = np.mgrid[:21, :21, :33]
    both = np.any(
        [sum((a - m) ** 2 for a, m in zip(axes, (10, 10, z), strict=True)) <= 64 for z in (9, 23)], 0
    )
    line = lines_between(both, 1.0)
    assert (ndimage.label(both)[1], ndimage.label(both & ~line)[1]) == (1, 2)
