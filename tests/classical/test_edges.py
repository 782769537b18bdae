"""Edges closed to regions, and one that leaks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_grey_values import seen
from toys import task

from medseg_lab.classical.edges import CannyEdges, closed, regions_between


def ring(gap):
    """A square contour of 11 pixels with a gap of so many in one side."""
    edge = np.zeros((21, 21), dtype=bool)
    edge[5:16, 5:16] = True
    edge[6:15, 6:15] = False
    edge[5, 10 : 10 + gap] = False
    return edge


def inside_is_apart(edge):
    regions = regions_between(edge)
    return regions[10, 10] != regions[0, 0]


def test_a_contour_with_a_gap_leaks_until_the_gap_is_closed():
    assert inside_is_apart(ring(0))
    assert not inside_is_apart(ring(1))
    assert inside_is_apart(closed(ring(1), 1))
    assert inside_is_apart(closed(ring(2), 1))
    assert not inside_is_apart(closed(ring(4), 1))
    assert inside_is_apart(closed(ring(4), 2))


def test_closing_leaves_contours_where_they_are():
    assert np.array_equal(closed(ring(0), 2), ring(0))
    assert np.array_equal(closed(ring(3), 0), ring(3))


def test_a_pixel_of_an_edge_goes_to_the_nearest_region():
    edge = np.array([[False, False, True, True, True, False, False]])
    found = regions_between(edge)[0].tolist()
    assert found[:3] == [0, 0, 0]
    assert found[4:] == [1, 1, 1]
    assert regions_between(np.ones((2, 2), dtype=bool)).tolist() == [[0, 0], [0, 0]]


def bright_square(**arguments):
    learner = CannyEdges(task(2, 2), **arguments)
    seen(learner, [0.0, 4.0], [0, 1])
    image = np.zeros((40, 40))
    image[10:30, 10:30] = 4
    return learner, image + np.random.default_rng(0).normal(0, 0.2, image.shape)


def test_a_square_is_found_by_its_contour():
    learner, image = bright_square()
    found, true = learner.segmented(image), np.zeros((40, 40), dtype=int)
    true[10:30, 10:30] = 1
    assert (found == true).mean() > 0.96
    assert 0 < learner.case_activity["edge"] < 0.3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_is_segmented_slice_by_slice(axis):
    """Along whichever axis slices lie; the regions of each are named by its own grey values."""
    learner, image = bright_square()
    learner.task = replace(learner.task, slice_axis=axis)
    moved = np.roll(image, (5, 7), (0, 1))
    found = learner.finish(torch.zeros(2, 1), torch.tensor(np.stack([image, moved], axis))[None]).argmax(0)
    for index, plane in enumerate((image, moved)):
        assert np.array_equal(found.select(axis, index).numpy(), learner.segmented(plane))
        assert 300 < found.select(axis, index).sum() < 500


def test_a_contour_reaches_the_border_of_the_image():
    """A bright half, whose straight edge ends at two borders: it must not leak around the ends."""
    learner, _ = bright_square()
    image = np.random.default_rng(0).normal(0, 0.2, (40, 40))
    image[:, 20:] += 4
    for one in (image, image.T):
        found = learner.segmented(one)
        assert (found == (one > 2)).mean() > 0.96


def test_thresholds_are_in_order():
    with pytest.raises(ValueError, match=r"CannyEdges: weak: expected at most strong \(0.5\), got 0.6"):
        CannyEdges(task(2, 2), strong=0.5)
