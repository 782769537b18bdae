"""Warm-up, then decay; and seeds as a function of the place."""

import pytest

from medseg_lab.training.schedule import learning_rate
from medseg_lab.training.seeding import BUILD, STEP, stream


def test_the_warm_up_is_linear_and_ends_at_the_peak():
    assert [learning_rate(step, 100, 2.0) for step in range(5)] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert learning_rate(5, 100, 2.0) == 2.0


def test_the_decay_is_polynomial():
    assert learning_rate(50, 100, 1.0, warm_up=0, power=1.0) == pytest.approx(0.5)
    assert learning_rate(75, 100, 1.0, warm_up=0) == pytest.approx(0.25**0.9)
    rates = [learning_rate(step, 40, 1.0) for step in range(2, 40)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


def test_a_run_of_one_step_learns_at_the_peak():
    assert learning_rate(0, 1, 3e-3) == 3e-3


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_the_run_is_refused(step):
    with pytest.raises(ValueError, match="expected 0 to 9"):
        learning_rate(step, 10, 1.0)


def test_streams_differ_by_seed_purpose_and_place():
    places = [(s, p, c) for s in range(3) for p in (BUILD, STEP) for c in range(50)]
    assert len({stream(*place) for place in places}) == len(places)
    assert stream(0, STEP, 7) == stream(0, STEP, 7)
