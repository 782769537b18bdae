"""How far two sides are apart, worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.effects import Terms, case_effect, run_effect
from medseg_lab.survey.claims import Claim
from tests.evaluation.test_comparison import results

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
COST = CLAIM.model_copy(update={"metric": "seconds", "direction": "lower", "margin": 0.1})
EXACT = CLAIM.model_copy(update={"metric": "parameters", "direction": "lower", "margin": 0.1})
TERMS = Terms("acdc", "class", 300, 100_000, "validation", (20, 20))


def sides(ahead, metric="dice", seeds=2, cases=10, spread=0.0):
    rng = np.random.default_rng(0)
    base = rng.uniform(0.5, 0.8, size=(seeds, cases, 1))
    own = rng.normal(0, spread, size=base.shape) if spread else 0
    better = base + np.asarray(ahead, dtype=float).reshape(-1, 1, 1) + own
    return results(better, metric=metric, diagonal=9.0), results(base, metric=metric, diagonal=9.0)


def test_a_constant_lead_is_the_effect_and_its_interval():
    found = case_effect(CLAIM, TERMS, *sides(0.05))
    np.testing.assert_allclose([found.value, found.low, found.high], 0.05)
    assert found.p == pytest.approx(0, abs=1e-12)
    assert (found.seeds, found.patients, found.cases, found.margin) == (2, 10, 10, 0.01)


def test_a_relative_margin_is_a_share_of_the_worse_side():
    relative = CLAIM.model_copy(update={"margin": None, "margin_share": 0.15})
    better, worse = sides(0.05)
    assert case_effect(relative, TERMS, better, worse).margin == pytest.approx(0.15 * worse["dice"].mean())


def test_a_data_set_votes_from_six_patients_on():
    votes = [case_effect(CLAIM, TERMS, *sides(0.05, cases=n, spread=0.01)).votes for n in (3, 5, 6)]
    assert votes == [False, False, True]
    assert run_effect(COST, TERMS, np.array([5.0]), np.array([10.0])).votes


def test_of_a_distance_less_is_better():
    claim = CLAIM.model_copy(update={"metric": "assd", "direction": "lower"})
    found = case_effect(claim, TERMS, *sides(-0.05, "assd", spread=0.01))
    mirrored = case_effect(CLAIM, TERMS, *sides(-0.05, spread=0.01))
    assert found.value == pytest.approx(-mirrored.value)
    assert (found.low, found.high) == (pytest.approx(-mirrored.high), pytest.approx(-mirrored.low))
    assert found.low < found.value < found.high


def test_one_seed_has_no_interval():
    found = case_effect(CLAIM, TERMS, *sides(0.05, seeds=1))
    assert np.isnan([found.low, found.high, found.p]).all()


def test_half_the_time_saves_half():
    found = run_effect(COST, TERMS, np.array([5.0, 10.0, 20.0]), np.array([10.0, 20.0, 40.0]))
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert found.p == 0
    assert (found.seeds, found.cases) == (3, 0)


def test_twice_as_much_is_a_gain_or_a_loss_of_one():
    for direction, value in (("lower", -1), ("higher", 1)):
        claim = COST.model_copy(update={"direction": direction})
        found = run_effect(claim, TERMS, np.array([2.0, 2.0]), np.array([1.0, 1.0]))
        assert found.value == pytest.approx(value)


def test_no_difference_has_p_one():
    assert run_effect(COST, TERMS, np.array([2.0, 3.0]), np.array([2.0, 3.0])).p == 1


def test_the_interval_is_students_on_the_logarithm_of_the_ratio():
    better, worse = np.array([7.0, 9.0, 8.0, 8.5]), np.array([10.0, 10.0, 12.0, 9.0])
    found = run_effect(COST, TERMS, better, worse)
    test = stats.ttest_1samp(np.log(better / worse), 0)
    ends = test.confidence_interval(0.95)
    assert found.value == pytest.approx(1 - np.exp(np.log(better / worse).mean()))
    assert (found.low, found.high) == (
        pytest.approx(1 - np.exp(ends.high)),
        pytest.approx(1 - np.exp(ends.low)),
    )
    assert found.p == pytest.approx(test.pvalue)


@pytest.mark.parametrize("cost", [0.0, np.nan, -1.0])
def test_a_cost_that_was_not_counted_is_refused(cost):
    with pytest.raises(ValueError, match="seconds: expected numbers above 0"):
        run_effect(COST, TERMS, np.array([cost, 1.0]), np.array([1.0, 1.0]))


def test_one_run_tells_a_time_but_not_how_surely():
    found = run_effect(COST, TERMS, np.array([5.0]), np.array([10.0]))
    assert found.value == pytest.approx(0.5)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_what_is_exact_is_told_by_one_run_and_not_tested():
    found = run_effect(EXACT, TERMS, np.array([50.0]), np.array([100.0]))
    assert found.value == found.low == found.high == pytest.approx(0.5)
    assert np.isnan(found.p)


@pytest.mark.parametrize(
    ("budget", "steps", "voxels", "nothing"),
    [
        ("class", 300, 100_000, False),
        ("smoke", 300, 100_000, True),
        ("custom", 3, 24**3, True),  # what smoke spends, by another name
        ("custom", 4, 24**3, False),
    ],
)
def test_a_budget_no_larger_than_smoke_proves_nothing(budget, steps, voxels, nothing):
    assert Terms("acdc", budget, steps, voxels, "test", (1, 1)).proves_nothing == nothing
