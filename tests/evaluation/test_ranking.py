"""Rankings whose stability is known."""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.ranking import _kendall, _ranks, _shares
from medseg_lab.evaluation.statistics import REPLICATES
from tests.evaluation.test_comparison import results

THREE_SIGMA = 3 * np.sqrt(0.25 / REPLICATES)
"""How far the share of resamples may be from a probability."""


def compared(metric="dice", **methods) -> Comparison:
    """Methods from values (seeds, cases)."""
    return compare(
        {name: results(np.asarray(found)[..., None], metric=metric) for name, found in methods.items()},
        metric,
    )


def test_methods_further_apart_than_they_spread_keep_their_ranks():
    base = np.random.default_rng(0).uniform(0.5, 0.6, size=(3, 8))
    found = compared(low=base, high=base + 0.3, middle=base + 0.15).ranking
    assert found.methods == ("high", "middle", "low")
    for column in ("rank", "low", "high"):
        assert found.table[column].tolist() == [1, 2, 3]
    assert found.table["best"].tolist() == [1, 0, 0]
    np.testing.assert_array_equal(found.shares, np.eye(3))
    assert found.kendall == pytest.approx(1)
    assert "high comes first in 100% of resamples" in found.describe()


def test_three_methods_on_two_cases_as_enumerated():
    """Both cases once in half of all draws: b a c. The first twice in a quarter: a b c. The second: b c a."""
    found = compared(a=[[0.9, 0.1]], b=[[0.6, 0.6]], c=[[0.2, 0.5]]).ranking
    assert found.methods == ("b", "a", "c")
    wanted = [[3 / 4, 1 / 4, 0], [1 / 4, 1 / 2, 1 / 4], [0, 1 / 4, 3 / 4]]
    np.testing.assert_allclose(found.shares, wanted, atol=THREE_SIGMA)
    np.testing.assert_array_equal(found.table["best"], found.shares[1])
    assert found.table[["low", "high"]].to_numpy().tolist() == [[1, 2], [1, 3], [2, 3]]
    # from b a c to either of the others, one pair of three changes places
    assert found.kendall == pytest.approx((1 / 2) * 1 + (1 / 2) * (1 / 3), abs=THREE_SIGMA)


def test_seeds_are_redrawn_too():
    """Ahead by 0.3 with one seed, behind by 0.1 with the other, cases alike: behind in a quarter of draws."""
    found = compared(a=[[0.8] * 4, [0.4] * 4], b=[[0.5] * 4, [0.5] * 4]).ranking
    assert found.table.loc["a", "rank"] == 1
    assert found.table.loc["a", "best"] == pytest.approx(3 / 4, abs=THREE_SIGMA)


def test_equal_methods_come_first_half_the_time_each():
    """One is better on four cases, the other by as much on the other four."""
    found = compared(a=[[0.6, 0.4] * 4], b=[[0.4, 0.6] * 4]).ranking
    assert found.table["rank"].tolist() == [1.5, 1.5]
    np.testing.assert_allclose(found.table["best"], 0.5, atol=THREE_SIGMA)
    assert found.table[["low", "high"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    assert "come first in 100% of resamples" in found.describe()


def test_the_same_results_share_their_rank_in_every_draw():
    base = np.random.default_rng(1).uniform(0.5, 0.6, size=(2, 6))
    found = compared(a=base, b=base.copy(), c=base - 0.2).ranking
    assert found.table["rank"].tolist() == [1.5, 1.5, 3]
    assert found.table[["low", "high"]].to_numpy().tolist() == [[1.5, 1.5], [1.5, 1.5], [3, 3]]
    np.testing.assert_array_equal(found.shares, [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert found.table["best"].tolist() == [0.5, 0.5, 0]
    assert "a and b come first" in found.describe()


def test_where_all_are_alike_there_is_no_order_to_keep():
    base = np.random.default_rng(1).uniform(0.5, 0.6, size=(2, 6))
    found = compared(a=base, b=base.copy()).ranking
    assert np.isnan(found.kendall)
    assert "Kendall" not in found.describe()


def test_means_that_differ_by_the_noise_of_summation_share_a_rank():
    assert _ranks(np.array([0.1 + 0.2, 0.3, 0.2])).tolist() == [2.5, 2.5, 1]


def test_of_distances_the_smallest_is_first():
    found = compared("hd95", far=[[9.0, 8.0]], near=[[2.0, 3.0]]).ranking
    assert found.methods == ("near", "far")
    assert found.table["best"].tolist() == [1, 0]


def test_every_method_has_one_rank_and_every_rank_one_method():
    """With ties in many draws: scores of few values."""
    values = np.random.default_rng(2).integers(0, 3, size=(6, 2, 5)) / 4
    found = compared(**{f"m{i}": v for i, v in enumerate(values)}).ranking
    np.testing.assert_allclose(found.shares.sum(axis=0), 1)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert found.table["best"].sum() == pytest.approx(1)
    np.testing.assert_allclose(found.table["best"], found.shares[1])
    assert (found.table["low"] <= found.table["rank"]).all()
    assert (found.table["rank"] <= found.table["high"]).all()


def test_a_shared_rank_is_split_over_the_places_it_spans():
    np.testing.assert_allclose(_shares(np.array([[2.0], [2.0], [2.0], [4.0]]))[:3], [[1 / 3] * 3 + [0]] * 3)


def test_kendalls_tau_is_scipys():
    rng = np.random.default_rng(3)
    observed = stats.rankdata(rng.integers(0, 5, 7))
    drawn = stats.rankdata(rng.integers(0, 4, size=(7, 50)), axis=0)
    wanted = [stats.kendalltau(observed, draw).statistic for draw in drawn.T]
    assert _kendall(observed, drawn) == pytest.approx(np.mean(wanted))


def test_a_draw_without_order_is_left_out_of_kendalls_tau():
    drawn = np.array([[1.0, 1.5], [2.0, 1.5]])
    assert _kendall(np.array([1.0, 2.0]), drawn) == 1


def test_ranks_are_drawn_as_redrawn_means_are():
    """How often a's redrawn mean is above b's, from the comparison's own draws."""
    rng = np.random.default_rng(4)
    both = compared(a=rng.uniform(size=(3, 9)), b=rng.uniform(size=(3, 9)))
    means = both.resampling.means(both.by_patient)
    assert both.ranking.table.loc["a", "best"] == (means[0] > means[1]).mean()


def test_the_interval_of_a_rank_leaves_out_the_tails_of_an_interval():
    rng = np.random.default_rng(8)
    made = {f"m{i}": rng.uniform(size=(3, 9)) for i in range(8)}
    both = compared(**made)
    drawn = stats.rankdata(-both.resampling.means(both.by_patient), axis=0)
    tail = both.resampling.tail()
    for ranks, name in zip(drawn, made, strict=True):
        low, high = both.ranking.table.loc[name, ["low", "high"]]
        assert (ranks < low).mean() <= tail < (ranks <= low).mean()
        assert (ranks > high).mean() <= tail < (ranks >= high).mean()


def test_one_seed_says_what_is_not_covered():
    base = np.random.default_rng(5).uniform(size=(2, 6))
    one, two = (compared(a=base[:n], b=base[:n] - 0.1).ranking.describe() for n in (1, 2))
    assert "patients redrawn" in one
    assert "One seed" in one
    assert "patients and seeds redrawn" in two
    assert "One seed" not in two


def test_one_patient_and_one_method_tell_nothing():
    frame = results([[[0.5], [0.6]]]).assign(patient="p")
    patient = compare({"a": frame, "b": results([[[0.7], [0.8]]]).assign(patient="p")}).ranking
    method = compared(a=[[0.5, 0.6]]).ranking
    assert patient.methods == ("b", "a")
    assert "One patient" in patient.describe()
    assert "One method" in method.describe()
    for found in (patient, method):
        assert not found.told
        assert found.table[["low", "high", "best"]].isna().all(axis=None)
        assert found.shares.isna().all(axis=None)
        assert np.isnan(found.kendall)
