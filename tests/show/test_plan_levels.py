"""The levels of a plan as lines, one for each axis."""

import pytest

from medseg_lab.planning.fingerprint import of_equal_cases
from medseg_lab.planning.plan import plan
from medseg_lab.show.plan_levels import by_axis, plan_levels
from tests.show.legible import assert_legible

HEART = plan(of_equal_cases((208, 237, 18), (1.5625, 1.5625, 5.0), 200, classes=4))


def test_lines_are_the_lengths_and_edges_of_each_level():
    _, _, across = by_axis(HEART["3D"])
    assert across == [(5.0, 20), (5.0, 20), (10.0, 10), (20.0, 5), (20.0, 5), (20.0, 5)]
    fig = plan_levels(HEART)
    lengths, edges = fig.axes
    assert lengths.get_lines()[2].get_ydata().tolist() == [length for length, _ in across]
    assert edges.get_lines()[2].get_ydata().tolist() == [edge for _, edge in across]
    assert "Axis 2: from 20 voxels of 5 mm to 5 of 20 mm." in fig.get_label()
    assert_legible(fig)


def test_a_network_of_low_resolution_is_named():
    fig = plan_levels(plan(of_equal_cases((512, 512, 512), (1, 1, 1))))
    assert "and a network for" in fig.get_suptitle()
    assert_legible(fig)


def test_pictures_have_two_lines_and_volumes_no_other_network():
    flat = plan(of_equal_cases((512, 384), None))
    assert len(plan_levels(flat, "2D").axes[0].get_lines()) == 2
    with pytest.raises(ValueError, match="expected one of 2D, got '3D'"):
        plan_levels(flat)
