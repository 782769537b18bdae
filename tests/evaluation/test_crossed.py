"""The model of trainings and patients: by hand, by textbook formulas, and on data of known truth."""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.crossed import Estimate, estimate
from medseg_lab.evaluation.statistics import Resampling


def one(values) -> Estimate:
    """Of a single grid `(trainings, patients)`."""
    return Estimate(*(part[0] for part in estimate(np.asarray(values, dtype=float)[None])))


def test_two_trainings_of_three_patients_by_hand():
    """Trainings' means 2 and 4, patients' 0, 3 and 6; what remains is 1, 0 and -1, and the opposite.

    MS_S = 3 * 2 = 6, MS_P = 2 * 9 = 18, MS_E = (1 + 0 + 1) * 2 / 2 = 2; so S P V = 6 + 18 - 2 = 22.
    """
    found = one([[0, 2, 4], [0, 4, 8]])
    assert found.mean == 3
    df = 22**2 / (6**2 / 1 + 18**2 / 2 + 2**2 / 2)
    assert found.df == pytest.approx(df)
    error = np.sqrt(22 / 6)
    reach = stats.t.ppf(0.975, df) * error
    assert (found.low, found.high) == (pytest.approx(3 - reach), pytest.approx(3 + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(3 / error, df))


@pytest.mark.parametrize("axis", [0, 1])
def test_where_one_factor_does_not_vary_the_other_is_students(axis):
    values = np.random.default_rng(0).normal(0.3, 1, size=7)
    grid = np.repeat(values[:, None], 4, axis=1) if axis == 0 else np.repeat(values[None], 4, axis=0)
    found, wanted = one(grid), stats.ttest_1samp(values, 0)
    ends = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == (pytest.approx(ends.low), pytest.approx(ends.high))


def test_it_is_never_surer_than_one_factor_by_itself():
    """Trainings that are more alike than chance has it would make the closed form smaller than MS_P."""
    grid = np.array([[0.0, 1, 2, 3], [1, 0, 3, 2]])
    rows, columns = 4 * grid.mean(axis=1).var(ddof=1), 2 * grid.mean(axis=0).var(ddof=1)
    found = one(grid)
    assert rows == 0
    assert found.df == 3
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 3) * np.sqrt(columns / 8))


def test_a_factor_that_varies_least_counts_alone_where_both_say_nothing():
    """All means are 0 and only the remainder varies: the interval is a point, and p is 1."""
    found = one([[1, -1], [-1, 1]])
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize(("value", "p"), [(0.0, 1), (0.25, 0)])
def test_differences_that_are_all_equal_leave_a_point(value, p):
    found = one(np.full((3, 5), value))
    assert (found.mean, found.low, found.high, found.p) == (value, value, value, p)


def test_one_training_is_judged_over_patients_and_one_patient_not_at_all():
    values = np.random.default_rng(1).normal(size=8)
    assert one(values[None]).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    found = one(values[:, None])
    assert found.mean == pytest.approx(values.mean())
    assert np.isnan([found.low, found.high, found.p, found.df]).all()
    assert np.isnan(one([[0.5]]).p)


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.zeros((1, 0, 3)), np.zeros((1, 2, 0))])
def test_what_is_no_grid_is_refused(values):
    with pytest.raises(ValueError, match=r"values: expected \(rows, trainings, patients\)"):
        estimate(values)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_is_refused(odd):
    with pytest.raises(ValueError, match="values: expected finite numbers"):
        one([[0.1, odd], [0.2, 0.3]])
    assert estimate(np.zeros((0, 2, 3))).mean.shape == (0,)


TRIALS = 2000


def simulated(seeds: int, luck: float, patients: int = 20) -> np.ndarray:
    """Differences without an effect, `(TRIALS, seeds, patients)`: patients vary by 1, noise by 0.5."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (TRIALS, 1, patients)) + rng.normal(0, 0.5, (TRIALS, seeds, patients))
    return values + luck * rng.normal(0, 1, (TRIALS, seeds, 1))


TOLD = [(2, 0, 0.96), (2, 1, 0.88), (3, 0.2, 0.95), (3, 1, 0.93), (5, 0.5, 0.95), (5, 1, 0.94)]


@pytest.mark.parametrize(("seeds", "luck", "share"), TOLD)
def test_an_interval_holds_the_truth_as_often_as_the_table_says(seeds, luck, share):
    """And p is below 0.05 exactly where the interval leaves 0 out."""
    found = estimate(simulated(seeds, luck))
    held = (found.low <= 0) & (found.high >= 0)
    assert stats.binomtest(int(held.sum()), TRIALS, share).pvalue > 0.001
    np.testing.assert_array_equal(held, found.p >= 0.05)


@pytest.mark.parametrize("seeds", [2, 3])
def test_where_trainings_vary_as_patients_do_it_holds_the_truth_more_often_than_the_bootstrap(seeds):
    values = simulated(seeds, 1.0)
    found, drawn = estimate(values), Resampling(seeds, 20)
    low, high = np.quantile(drawn.means(values), [drawn.tail(), 1 - drawn.tail()], axis=1)
    held = ((found.low <= 0) & (found.high >= 0)).mean()
    assert held > ((low <= 0) & (high >= 0)).mean() + 0.02


def test_an_effect_is_found_as_often_as_a_t_test_would_find_it_where_trainings_are_alike():
    """The power of Student's test over patients, whose means keep a noise of 0.5 / sqrt(3)."""
    from statsmodels.stats.power import TTestPower

    power = TTestPower().power(0.6 / np.hypot(1, 0.5 / np.sqrt(3)), nobs=20, alpha=0.05)
    called = (estimate(simulated(3, 0) + 0.6).p < 0.05).mean()
    assert power - 0.06 < called < power + 0.03
