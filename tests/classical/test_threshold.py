"""Otsu's threshold, by hand."""

import numpy as np
import pytest
import torch
from test_grey_values import seen
from toys import task

from medseg_lab.classical.threshold import Otsu, otsu_thresholds, separability

SIX = np.array([0.0, 0.0, 1.0, 4.0, 5.0, 5.0])


def test_the_threshold_leaves_least_variance_within():
    """Squares about the means: 10.75 after the zeros, 2/3 + 2/3 after the one, 10.75 after the four."""
    within = {}
    for cut in (0.5, 2.5, 4.5):
        parts = (SIX[cut > SIX], SIX[cut <= SIX])
        within[cut] = sum(((part - part.mean()) ** 2).sum() for part in parts)
    assert within == pytest.approx({0.5: 10.75, 2.5: 4 / 3, 4.5: 10.75})
    (found,) = otsu_thresholds(SIX, 2)
    assert 1 < found <= 4


def test_separability_is_the_share_of_the_variance_between_the_levels():
    """The whole sum of squares is 67 - 15^2 / 6 = 29.5."""
    assert separability(SIX, np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(1 - (4 / 3) / 29.5)
    assert separability(np.ones(4), np.zeros(4, dtype=int)) == 0


def test_levels_are_matched_in_the_order_of_the_classes_grey_values():
    """Class 0 is the brightest and class 2 the darkest; the case is darker than those with labels."""
    learner = Otsu(task(2, 3), smoothing=0.0)
    seen(learner, [90.0, 50.0, 10.0], [0, 1, 2])
    found = learner.segmented(np.array([[0.0, 0.0, 5.0, 5.0, 9.0, 9.0]]))
    assert found.tolist() == [[2, 2, 1, 1, 0, 0]]


def test_of_more_levels_each_has_the_nearest_class():
    """Background is dark and bright, and the organ lies between."""
    learner = Otsu(task(2, 2), smoothing=0.0, levels=3)
    seen(learner, [-10.0, 12.0, 5.0], [0, 0, 1])  # means 1 and 5
    assert learner.segmented(np.array([[-1.0, -1.0, 4.0, 4.0, 20.0, 20.0]])).tolist() == [[0, 0, 1, 1, 1, 1]]


def test_an_image_with_fewer_values_has_fewer_levels():
    learner = Otsu(task(2, 3), smoothing=0.0)
    seen(learner, [0.0, 5.0, 9.0], [0, 1, 2])
    assert learner.segmented(np.full((2, 3), 8.0)).tolist() == [[2, 2, 2]] * 2
    assert learner.segmented(np.array([[0.0, 9.0]])).tolist() == [[0, 2]]


def test_it_acts_on_the_whole_case_and_says_how_well_levels_are_apart():
    learner = Otsu(task(2, 2), smoothing=0.0)
    seen(learner, [0.0, 5.0], [0, 1])
    case = torch.tensor(SIX).float().view(1, 2, 3)
    found = learner.finish(torch.full((2, 2, 3), 0.5), case)
    assert found.argmax(0).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert torch.equal(found.sum(0), torch.ones(2, 3))
    assert learner.case_activity == {"separability": pytest.approx(1 - (4 / 3) / 29.5)}


def test_more_levels_than_can_be_searched_are_refused():
    with pytest.raises(ValueError, match=r"Otsu: levels: .*less than or equal to 5, got 6"):
        Otsu(task(2, 2), levels=6)
