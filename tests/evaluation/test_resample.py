"""One drawing of seeds and patients serves all that is compared."""

import numpy as np
import pytest
from scipy import stats

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.resample import BLOCK, REPLICATES, Resampling, interval, resampled_means
from tests.evaluation.test_comparison import results

PATIENTS = ("p1", "p0", "p1", "p2", "p3", "p3", "p4")


def plain(values, patients):
    """One method's redrawn means and interval, draw by draw."""
    generator = np.random.default_rng(0)
    names = sorted(set(patients))
    n_seeds, n = len(values), len(names)
    seeds = generator.multinomial(n_seeds, [1 / n_seeds] * n_seeds, size=REPLICATES)
    owners = generator.multinomial(n, [1 / n] * n, size=REPLICATES)
    stretch = np.sqrt(n_seeds / (n_seeds - 1)) if n_seeds > 1 else 1
    means = []
    for drawn_seeds, drawn_patients in zip(seeds, owners, strict=True):
        weights = [drawn_patients[names.index(patient)] for patient in patients]
        per_seed = np.average(values, axis=1, weights=weights)
        means.append(np.mean(per_seed) + stretch * (drawn_seeds / n_seeds - 1 / n_seeds) @ per_seed)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    return np.array(means), np.quantile(means, [tail, 1 - tail])


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_mean_is_redrawn_as_one_would_by_hand(n_seeds):
    values = np.random.default_rng(1).uniform(size=(n_seeds, 7))
    means, ends = plain(values, PATIENTS)
    np.testing.assert_allclose(resampled_means(values, PATIENTS), means, rtol=1e-12)
    np.testing.assert_allclose(interval(values, PATIENTS), ends, rtol=1e-12)


def test_all_intervals_of_a_comparison_are_those_of_each_method_by_itself():
    rng = np.random.default_rng(2)
    values = {name: rng.uniform(size=(3, 9, 2)) for name in "abc"}
    compared = compare({name: results(found) for name, found in values.items()}, baseline="b")
    patients = [f"p{i}" for i in range(9)]
    for name, found in values.items():
        _, wanted = plain(found.mean(axis=-1), patients)
        np.testing.assert_allclose(compared.table.loc[name, ["low", "high"]].tolist(), wanted, rtol=1e-12)
        for k in range(2):
            _, wanted = plain(found[..., k], patients)
            row = compared.by_class.loc[(name, f"k{k}")]
            np.testing.assert_allclose(row[["low", "high"]].tolist(), wanted, rtol=1e-12)
    for row in compared.differences.to_dict("records"):
        _, wanted = plain((values[row["first"]] - values["b"]).mean(axis=-1), patients)
        np.testing.assert_allclose([row["low"], row["high"]], wanted, rtol=1e-10)


def test_many_rows_are_redrawn_in_blocks_as_one_by_one():
    rng = np.random.default_rng(3)
    n_seeds, patients = 200, ("a", "b", "c")
    rows = BLOCK // (REPLICATES * n_seeds) + 3
    values = rng.uniform(size=(rows, n_seeds, 3))
    resampling = Resampling(n_seeds, patients)
    one_by_one = [resampling.means(row[None])[0] for row in values]
    np.testing.assert_allclose(resampling.means(values), one_by_one, rtol=1e-12)


def test_no_rows_have_no_intervals():
    assert Resampling(2, ("a", "b")).intervals(np.empty((0, 2, 2))).shape == (0, 2)


def test_a_lower_level_gives_a_shorter_interval_inside():
    values = np.random.default_rng(4).uniform(size=(2, 7))
    low, high = interval(values, PATIENTS, level=0.5)
    outer_low, outer_high = interval(values, PATIENTS)
    assert outer_low < low < values.mean() < high < outer_high


def test_redrawn_weights_are_those_of_means():
    seeds, cases = Resampling(4, PATIENTS).weights
    np.testing.assert_allclose(seeds.sum(axis=1), 1)
    np.testing.assert_allclose(cases.sum(axis=1), 1)
    np.testing.assert_array_equal(cases[:, 0], cases[:, 2])  # both of p1
