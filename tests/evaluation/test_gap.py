"""The share of a gap, by hand, by another implementation, and by how often its interval holds the truth."""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.gap import gap_closed, ratios, share_text
from medseg_lab.evaluation.statistics import Resampling
from medseg_lab.show.table import table_html
from tests.evaluation.test_comparison import results


def comparison(metric: str = "dice", cases: int = 12, seeds: int = 3, **levels: float) -> Comparison:
    """Methods at these levels on cases of all kinds, the same to each, with a little noise of their own."""
    rng = np.random.default_rng(0)
    base = rng.uniform(-0.1, 0.1, size=(1, cases, 1))
    made = {name: level + base + rng.normal(0, 0.02, (seeds, cases, 1)) for name, level in levels.items()}
    return compare({name: results(values, metric=metric) for name, values in made.items()}, metric)


def exactly(metric: str = "dice", **levels: float) -> Comparison:
    """The same without noise: differences are the same on all cases."""
    base = np.linspace(-0.1, 0.1, 8)[None, :, None].repeat(2, axis=0)
    made = {name: results(level + base, metric=metric) for name, level in levels.items()}
    return compare(made, metric)


def test_half_of_the_way_is_a_half():
    found = gap_closed(exactly(few=0.5, method=0.6, other=0.45, every=0.7), "every")
    assert list(found.shares.index) == ["method", "other"]
    np.testing.assert_allclose(found.shares.loc["method"], 0.5)
    np.testing.assert_allclose(found.shares.loc["other"], -0.25)
    assert found.reason == ""


def test_of_a_distance_the_share_is_of_the_way_down():
    found = gap_closed(exactly("hd95", few=8.0, method=5.0, worse=9.0, every=4.0), "every")
    np.testing.assert_allclose(found.shares.loc["method"], 0.75)
    np.testing.assert_allclose(found.shares.loc["worse"], -0.25)
    assert found.width["mean"] == pytest.approx(-4)
    assert str(found) == "every minus few is −4.0 [−4.0, −4.0]."


def test_the_share_is_the_quotient_of_the_means_and_not_the_mean_of_quotients():
    """Cases rise by 0.1 and 0.3 of gaps of 0.2 and 0.8: 0.4 of 1.0, and not the mean of 1/2 and 3/8."""
    made = {"few": [0.1, 0.1], "method": [0.2, 0.4], "every": [0.3, 0.9]}
    compared = compare(
        {name: results(np.tile(np.array(v)[None, :, None], (2, 10, 1))) for name, v in made.items()}
    )
    assert gap_closed(compared, "every").shares.loc["method", "share"] == pytest.approx(0.4)


def plain(compared: Comparison, method: str, floor: str, ceiling: str) -> list[float]:
    """The interval by sorting: each draw's quotient, and at either end what is left out."""
    seeds, cases = compared.resampling.weights
    sign = -1 if compared.lower_is_better else 1
    quotients = []
    for s, c in zip(seeds, cases, strict=True):
        mean = {name: s @ compared.of(name) @ c for name in (method, floor, ceiling)}
        assert sign * (mean[ceiling] - mean[floor]) > 0
        quotients.append((mean[method] - mean[floor]) / (mean[ceiling] - mean[floor]))
    n = len(set(compared.patients))
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    return np.quantile(quotients, [tail, 1 - tail]).tolist()


@pytest.mark.parametrize("metric", ["dice", "hd95"])
def test_the_interval_is_that_of_the_redrawn_quotients(metric):
    levels = {"few": 0.5, "a": 0.58, "b": 0.49, "every": 0.7}
    if metric == "hd95":
        levels = {name: 1 - level for name, level in levels.items()}
    compared = comparison(metric, **levels)
    found = gap_closed(compared, "every").shares
    for name in "ab":
        wanted = plain(compared, name, "few", "every")
        np.testing.assert_allclose(found.loc[name, ["low", "high"]].tolist(), wanted, atol=0.005)
        assert found.loc[name, "low"] < found.loc[name, "share"] < found.loc[name, "high"]


def test_any_method_can_be_the_floor():
    compared = exactly(method=0.6, few=0.5, every=0.7)
    found = gap_closed(compared, "every", floor="few")
    assert found.shares.loc["method", "share"] == pytest.approx(0.5)
    assert list(gap_closed(compared, "every").shares.index) == ["few"]


def test_a_gap_that_may_be_none_has_no_shares():
    found = gap_closed(comparison(few=0.6, method=0.7, every=0.602), "every")
    assert found.shares.isna().all(axis=None)
    assert found.width["low"] < 0 < found.width["high"]
    assert found.reason == "there may be no gap"
    assert str(found).endswith("]: there may be no gap, so that there is no share of it.")
    assert found.texts() == {"few": "the floor", "method": "no sure gap", "every": "the ceiling"}


@pytest.mark.parametrize("metric", ["dice", "hd95"])
def test_a_ceiling_that_is_worse_has_no_shares(metric):
    levels = {"few": 0.6, "method": 0.7, "every": 0.4 if metric == "dice" else 0.9}
    found = gap_closed(exactly(metric, **levels), "every")
    assert found.reason == "the ceiling is worse than the floor"
    assert found.shares.isna().all(axis=None)


def test_one_seed_or_one_patient_has_no_shares():
    one = gap_closed(comparison(seeds=1, few=0.5, method=0.6, every=0.7), "every")
    assert one.reason == "one seed cannot tell whether there is a gap"
    assert one.shares.isna().all(axis=None)
    alone = gap_closed(comparison(cases=1, few=0.5, method=0.6, every=0.7), "every")
    assert alone.reason == "one patient cannot tell whether there is a gap"
    assert alone.shares.isna().all(axis=None)
    assert "nan" not in str(one) + str(alone)


def test_two_methods_have_a_gap_and_no_shares():
    found = gap_closed(exactly(few=0.5, every=0.7), "every")
    assert found.reason == ""
    assert found.shares.empty
    assert found.texts() == {"few": "the floor", "every": "the ceiling"}


def test_methods_that_are_not_there_are_refused():
    compared = exactly(few=0.5, every=0.7)
    with pytest.raises(ValueError, match="method: expected one of few, every, got 'all'"):
        gap_closed(compared, "all")
    with pytest.raises(ValueError, match="ceiling: expected another method than the floor, got 'few'"):
        gap_closed(compared, "few")


def test_a_draw_without_a_gap_counts_at_both_ends():
    """100 draws; tail 0.055: 6 lie beyond. Two draws have no gap, so the ends lie 4 draws further out."""
    rises = np.arange(1.0, 101)
    gap = np.ones(100)
    gap[40:42] = [0, -1]
    ((low, high),) = ratios(rises[None], gap, 0.055)
    assert (low, high) == (5, 96)
    ((low, high),) = ratios(rises[None], np.ones(100), 0.055)
    assert (low, high) == (7, 94)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((0.424, 0.1, 0.7), "42% [10%, 70%]"),
        ((-0.25, -0.504, 0.0), "−25% [−50%, 0%]"),
        ((-0.001, -0.004, 1.2), "0% [0%, 120%]"),
        ((np.nan, np.nan, np.nan), "no sure gap"),
    ],
)
def test_a_share_is_printed_in_per_cent(row, text):
    assert share_text(dict(zip(("share", "low", "high"), row, strict=True))) == text


def test_shares_are_a_column_of_the_table():
    compared = exactly(few=0.5, method=0.6, every=0.7)
    markup = table_html(compared, {"gap closed": gap_closed(compared, "every").texts()})
    for text in ("gap closed", "50% [50%, 50%]", "the floor", "the ceiling"):
        assert f">{text}<" in markup


def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says():
    """A method that closes half of a gap of 1; 20 patients with preferences, three trainings that vary."""
    rng = np.random.default_rng(0)
    resampling = Resampling(3, 20)
    levels, trials, shown, held = np.array([0, 0.5, 1])[:, None, None], 120, 0, 0
    for _ in range(trials):
        values = levels + rng.normal(0, 0.3, (3, 1, 20)) + rng.normal(0, 0.2, (3, 3, 1))
        values = values + rng.normal(0, 0.5, (3, 3, 20))
        redrawn = resampling.means(np.stack([values[2] - values[0], values[1] - values[0]]))
        if np.quantile(redrawn[0], resampling.tail()) > 0:
            ((low, high),) = ratios(redrawn[1:], redrawn[0], resampling.tail())
            shown, held = shown + 1, held + (low <= 0.5 <= high)
    assert shown > 0.9 * trials
    assert stats.binomtest(held, shown, 0.95, alternative="less").pvalue > 0.01
