"""Regions that grow step by step, by hand."""

import numpy as np
import pytest
import torch
from test_grey_values import seen
from toys import task

from medseg_lab.classical.region_growing import RegionGrowing, clicks, grown
from medseg_lab.data.case import IGNORE


def row(values, tolerance=0.2, limits=None, **seeds):
    """The classes of a row of pixels; `c1=[0]` is a seed of class 1 at its first pixel."""
    places = {int(name[1:]): np.array(at) for name, at in seeds.items()}
    found, reached = grown(np.array([values]), places, dict.fromkeys(places, tolerance), limits)
    return found[0].tolist(), reached


def test_it_stops_where_neighbours_differ_by_the_tolerance():
    """Along steps of .1 it goes as far as they lead; a step of .5 ends it."""
    found, reached = row([0.0, 0.1, 0.2, 0.3, 0.8, 0.9, 1.0], c1=[0])
    assert found == [1, 1, 1, 1, 0, 0, 0]
    assert reached == pytest.approx(4 / 7)


def test_regions_meet_halfway_whatever_their_order():
    flat = [0.0] * 6
    assert row(flat, c1=[0], c2=[5])[0] == [1, 1, 1, 2, 2, 2]
    assert row(flat, c1=[5], c2=[0])[0] == [2, 2, 2, 1, 1, 1]


def test_a_step_takes_longer_the_more_neighbours_differ():
    """Steps of .1 at a tolerance of .2 take 1.5: class 1 is at the third pixel after 3, class 2 after 4.5."""
    assert row([0.0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3], c1=[0], c2=[6])[0] == [1, 1, 1, 2, 2, 2, 2]
    assert row([0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3], c1=[0], c2=[6])[0] == [1, 1, 1, 1, 2, 2, 2]


def test_a_limit_on_grey_values_stops_a_ramp_that_the_tolerance_does_not():
    values = [0.0, 0.1, 0.2, 0.3, 0.4]
    assert row(values, c1=[0])[0] == [1] * 5
    assert row(values, limits={1: np.array([values]) < 0.25}, c1=[0])[0] == [1, 1, 1, 0, 0]
    assert row(values, limits={1: np.array([values]) > 0.05}, c1=[0])[0] == [1] * 5  # a seed counts anywhere


def test_it_grows_across_faces_alone():
    image = np.array([[0.0, 9.0], [9.0, 0.0]])
    assert grown(image, {1: np.array([0])}, {1: 1.0})[0].tolist() == [[1, 0], [0, 0]]


def two_structures():
    reference = np.zeros((12, 20), dtype=np.uint8)
    reference[2:7, 2:9] = 1  # 5 x 7: its middle is (4, 4), (4, 5) or (4, 6)
    reference[8:11, 14:18] = 1
    reference[0, 19] = 1  # of one pixel: nobody clicks it
    reference[0, :12] = IGNORE  # what nobody annotated is no structure, however large
    return reference


def test_a_click_lies_in_the_middle_of_each_structure():
    found = clicks(two_structures())
    places = [tuple(map(int, np.unravel_index(at, (12, 20)))) for at in found[1]]
    assert list(found) == [1]
    assert places[0] in {(4, 4), (4, 5), (4, 6)}
    assert places[1] in {(9, 15), (9, 16)}


def clicked(**arguments):
    learner = RegionGrowing(task(2, 2), seeds="clicks", smoothing=0.0, **arguments)
    seen(learner, [0.0, 1.0, 9.0, 11.0], [0, 0, 1, 1])  # class 1: mean 10, deviation 1
    reference = two_structures()
    image = np.where(reference == 1, 10.2, 0.3)
    return learner, torch.tensor(reference), torch.tensor(image)[None]


def test_what_is_clicked_is_found_and_clicks_of_one_case_are_not_for_the_next():
    learner, reference, image = clicked()
    learner.take_reference(reference)
    found = learner.finish(torch.zeros(2, 12, 20), image).argmax(0)
    assert (found == 1).sum() == 5 * 7 + 3 * 4
    assert learner.case_activity == {"reached": (5 * 7 + 3 * 4) / 240, "seeds": 2}
    assert not learner.finish(torch.zeros(2, 12, 20), image).argmax(0).any()


def test_without_clicks_the_reference_says_nothing():
    learner, reference, image = clicked()
    learner.seeds = "typical"
    wanted = learner.finish(torch.zeros(2, 12, 20), image)
    learner.take_reference(1 - reference.clamp(max=1))
    assert torch.equal(learner.finish(torch.zeros(2, 12, 20), image), wanted)
    assert wanted[1].sum() == 5 * 7 + 3 * 4 + 1  # the single pixel, too


def test_the_grey_value_of_a_clicked_class_is_that_of_its_clicks():
    """An image twice as bright as those with labels: typical seeds find nothing there, a click does."""
    learner, reference, image = clicked(reach=2.0)
    learner.take_reference(reference)
    assert (learner.finish(torch.zeros(2, 12, 20), 2 * image).argmax(0) == 1).sum() == 47


def test_automatic_seeds_are_the_voxels_nearest_to_their_class():
    learner = RegionGrowing(task(2, 2), smoothing=0.0, share=0.4)
    seen(learner, [0.0, 10.0], [0, 1])
    found = learner.typical(np.array([[0.1, 0.4, -0.2, 3.0, 0.5, 10.5, 11.0, 9.9, 8.0, 12.0]]))
    assert {k: sorted(of.tolist()) for k, of in found.items()} == {0: [0, 2], 1: [5, 7]}
