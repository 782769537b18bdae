"""Uncertainty, weights and errors of a slice, as a picture."""

import pytest
import torch
from toys import SMALL, task, tiny_cohort

from medseg_lab.show.figure import described
from medseg_lab.show.uncertainty_weights import uncertainty_weights
from medseg_lab.training.supervised import Supervised
from tests.show.legible import assert_legible

COHORT = tiny_cohort(3, 3, shape=(20, 18, 6))


def learner(seed: int) -> Supervised:
    torch.manual_seed(seed)
    found = Supervised(task(2, 3), network=SMALL, spatial_dims=2).eval()
    found.patch = (15, 14)
    return found


def test_a_row_for_each_learner_and_weights_about_1():
    draw = uncertainty_weights({"before": learner(0), "after": learner(1)}, COHORT.labelled[0], COHORT.task)
    fig = draw(2.0)
    assert_legible(fig)
    assert len(fig.axes) >= 8
    said = described(fig)
    assert "gamma 2. before: weights from 0." in said
    assert "after: weights from 0." in said


def test_without_gamma_all_weights_are_1_and_the_passes_are_the_same():
    draw = uncertainty_weights({"one": learner(0)}, COHORT.labelled[0], COHORT.task)
    plain, sharp = (described(draw(gamma)) for gamma in (0.0, 3.0))
    assert "weights from 1 to 1," in plain
    assert plain.split(", ")[-1] == sharp.split(", ")[-1]  # the errors found are those of the same passes


def test_no_learner_is_refused():
    with pytest.raises(ValueError, match="learners: expected one or more"):
        uncertainty_weights({}, COHORT.labelled[0], COHORT.task)
