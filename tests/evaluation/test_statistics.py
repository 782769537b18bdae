"""Redrawn means, tests and ranks: by hand, by another implementation, and on methods of known truth.

Simulated values are like Dice: patients differ, some suit one method better than another, trainings are lucky
or not, and there is noise. How often something is called significant is compared with its level by a binomial
bound that chance alone crosses once in a hundred.
"""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.ranking import Ranking, rank_stability
from medseg_lab.evaluation.statistics import BLOCK, REPLICATES, Resampling, holm, signed_rank, smallest_p

SUITS = 0.03
"""Standard deviation over patients of how much a method suits them, in Dice."""
NOISE = 0.015


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_mean_is_redrawn_as_one_would_by_hand(n_seeds):
    values = np.random.default_rng(1).uniform(size=(n_seeds, 5))
    generator = np.random.default_rng(0)
    seeds = generator.multinomial(n_seeds, [1 / n_seeds] * n_seeds, size=REPLICATES)
    patients = generator.multinomial(5, [1 / 5] * 5, size=REPLICATES)
    stretch = np.sqrt(n_seeds / (n_seeds - 1)) if n_seeds > 1 else 1
    means = []
    for drawn_seeds, drawn_patients in zip(seeds, patients, strict=True):
        per_seed = np.average(values, axis=1, weights=drawn_patients)
        means.append(np.mean(per_seed) + stretch * (drawn_seeds / n_seeds - 1 / n_seeds) @ per_seed)
    np.testing.assert_allclose(Resampling(n_seeds, 5).means(values[None])[0], means, rtol=1e-12)


def test_many_rows_are_redrawn_in_blocks_as_one_by_one():
    rows = BLOCK // (REPLICATES * 200) + 3
    values = np.random.default_rng(3).uniform(size=(rows, 200, 3))
    resampling = Resampling(200, 3)
    one_by_one = [resampling.means(row[None])[0] for row in values]
    np.testing.assert_allclose(resampling.means(values), one_by_one, rtol=1e-12)


def test_the_spread_over_seeds_is_unbiased():
    """Patients all alike: the redrawn mean varies as the seeds' sample variance over their number."""
    values = np.repeat([[0.1], [0.4], [0.9]], 5, axis=1)
    spread = Resampling(3, 5).means(values[None]).var()
    assert spread == pytest.approx(np.var([0.1, 0.4, 0.9], ddof=1) / 3, rel=0.1)


def test_wilcoxon_is_scipys_and_knows_what_it_can_reach():
    differences = np.random.default_rng(7).normal(0.3, 1, size=12)
    assert signed_rank(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert signed_rank(np.zeros(5)) == 1
    for n in (3, 5, 6, 9):
        assert signed_rank(np.arange(1.0, n + 1)) == pytest.approx(smallest_p(n))
    assert smallest_p(5) > 0.05 > smallest_p(6)


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    for seed in range(5):
        p = np.random.default_rng(seed).choice([0.001, 0.01, 0.02, 0.04, 0.3, 0.7, 1.0], size=8)
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm(np.array([])).shape == (0,)


def test_holm_goes_down_the_ordered_ps_by_hand():
    """0.01 x 3, then max(that, 0.02 x 2), then max(that, 0.03 x 1); a p that is missing stays missing."""
    assert holm(np.array([0.03, 0.01, np.nan, 0.02])) == pytest.approx(
        [0.04, 0.03, np.nan, 0.04], nan_ok=True
    )


def simulated(rng, trials, methods=2, seeds=3, luck=0.0, effect=0.0) -> np.ndarray:
    """Experiments with equal methods, but that the last is better by `effect`; one patient a case.

    `(trials, methods, seeds, cases)`.
    """
    values = (
        rng.uniform(0.6, 0.9, size=(trials, 1, 1, 20))
        + rng.normal(0, SUITS / np.sqrt(2), size=(trials, methods, 1, 20))
        + rng.normal(0, luck / np.sqrt(2), size=(trials, methods, seeds, 1))
        + rng.normal(0, NOISE / np.sqrt(2), size=(trials, methods, seeds, 20))
    )
    values[:, -1] += effect
    return values


def ps(values: np.ndarray) -> np.ndarray:
    """Of each method against the first by Wilcoxon's test, `(trials, methods - 1)`."""
    differences = (values[:, 1:] - values[:, :1]).mean(axis=2)
    return np.array([[signed_rank(row) for row in table] for table in differences])


def most(level: float, trials: int) -> float:
    """The most often that something of this probability happens, but for one time in a hundred."""
    return float(stats.binom.ppf(0.99, trials, level))


def test_wilcoxon_finds_no_difference_where_there_is_none():
    trials = 2000
    called = (ps(simulated(np.random.default_rng(0), trials)) < 0.05).sum()
    assert stats.binom.ppf(0.01, trials, 0.05) <= called <= most(0.05, trials)


def test_holm_keeps_the_error_of_a_whole_table():
    """Five equal methods against a sixth: any called in at most 5% of tables; uncorrected, far more often."""
    trials = 500
    tables = ps(simulated(np.random.default_rng(1), trials, methods=6))
    assert sum((holm(table) < 0.05).any() for table in tables) <= most(0.05, trials)
    assert (tables < 0.05).any(axis=1).sum() > 2 * most(0.05, trials)


def test_wilcoxon_calls_lucky_trainings_a_better_method():
    """Which is why it decides nothing: p takes the trainings as given."""
    values = simulated(np.random.default_rng(4), 300, seeds=5, luck=0.5 * SUITS)
    assert (ps(values) < 0.05).sum() > most(0.05, 300)


def rankings(values: np.ndarray) -> list[Ranking]:
    """Of the methods m0, m1, ... in each experiment."""
    resampling, names = Resampling(values.shape[2], 20), [f"m{i}" for i in range(values.shape[1])]
    return [rank_stability(table, names, resampling, "Dice", False) for table in values]


def test_equal_methods_rank_first_by_chance():
    """Over many experiments every one of four comes first as often; and an order of noise is not stable."""
    found = rankings(simulated(np.random.default_rng(6), 200, methods=4))
    first = [ranking.methods[0] for ranking in found]
    assert stats.chisquare([first.count(f"m{i}") for i in range(4)]).pvalue > 0.01
    assert np.mean([ranking.table["best"].max() for ranking in found]) < 0.8


def test_the_interval_of_a_rank_holds_the_true_one():
    """One method is ahead by about one and a half standard errors: its interval reaches to rank 1."""
    found = rankings(simulated(np.random.default_rng(7), 300, effect=0.01))
    least = stats.binom.ppf(0.01, 300, 0.95)
    assert sum(ranking.table.loc["m1", "low"] == 1 for ranking in found) >= least
    assert sum(ranking.table.loc["m0", "high"] == 2 for ranking in found) >= least
    assert any(ranking.table.loc["m1", "high"] == 1 for ranking in found)
