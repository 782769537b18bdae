"""Comparisons on results whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.resample import interval, resampled_means
from medseg_lab.evaluation.significance import holm, signed_rank


def results(values, seeds=None, metric="dice", **more) -> pd.DataFrame:
    """Rows from `values` (seeds, cases, classes); one patient a case."""
    values = np.asarray(values, dtype=float)
    return pd.DataFrame(
        {
            "part": "validation",
            "seed": s,
            "case": f"c{c}",
            "patient": f"p{c}",
            "class": f"k{k}",
            metric: value,
            **more,
        }
        for (s, c, k), value in np.ndenumerate(values)
    )


def run(cases: pd.DataFrame | None, seed: int = 0, **conditions) -> SimpleNamespace:
    """What a comparison reads of a run."""
    parts = {"cohort": "abc", "budget": {"steps": 3}, "judge": "j", **conditions}
    return SimpleNamespace(cases=cases, record=SimpleNamespace(seed=seed, parts=parts))


def test_a_case_is_the_mean_of_its_classes_and_a_method_of_its_cases():
    compared = compare({"a": results([[[0.2, 0.4], [0.6, 0.8]]])})
    np.testing.assert_allclose(compared.of("a"), [[0.3, 0.7]])
    assert compared.table.loc["a", "mean"] == pytest.approx(0.5)
    assert compared.by_class.loc[("a", "k1"), "mean"] == pytest.approx(0.6)


def test_methods_keep_the_order_they_were_given_in():
    compared = compare({"low": results([[[0.1]]]), "high": results([[[0.9]]])})
    assert list(compared.table.index) == ["low", "high"]


def test_a_constant_advantage_is_found_exactly():
    base = np.random.default_rng(0).uniform(0.4, 0.9, size=(2, 12, 2))
    compared = compare({"base": results(base), "better": results(base + 0.05)})
    (row,) = compared.differences.to_dict("records")
    assert (row["first"], row["second"]) == ("better", "base")
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], 0.05)
    assert row["p"] == pytest.approx(2 / 2**12)  # 12 patients, all signs alike, exact and two-sided
    assert row["agree"]


def test_pairing_takes_out_what_the_cases_share():
    """Cases differ by 0.3, methods by 0.02: unpaired the intervals overlap, paired they do not hold zero."""
    rng = np.random.default_rng(1)
    shared = rng.uniform(0.5, 0.8, size=(1, 20, 1))
    compared = compare(
        {
            "a": results(shared + rng.normal(0, 0.01, size=(2, 20, 1))),
            "b": results(shared + 0.02 + rng.normal(0, 0.01, size=(2, 20, 1))),
        }
    )
    assert compared.table.loc["a", "high"] > compared.table.loc["b", "low"]
    assert compared.differences["low"].item() > 0


def test_holm_multiplies_the_smallest_p_by_their_number():
    rng = np.random.default_rng(2)
    base = rng.uniform(0.4, 0.9, size=(2, 10, 1))
    compared = compare(
        {
            "base": results(base),
            "up": results(base + 0.1),
            "same": results(base + rng.normal(0, 0.01, size=base.shape)),
        }
    )
    found = compared.differences.set_index("first")
    assert found.loc["up", "holm"] == pytest.approx(2 * found.loc["up", "p"])
    assert found.loc["same", "holm"] == pytest.approx(found.loc["same", "p"])


def test_equal_methods_have_p_one():
    compared = compare({"a": results([[[0.5], [0.6]]] * 2), "b": results([[[0.5], [0.6]]] * 2)})
    assert compared.differences["p"].item() == 1


def test_one_seed_says_so_and_tests_nothing():
    compared = compare({"a": results([[[0.5], [0.6]]]), "b": results([[[0.7], [0.8]]])})
    assert compared.differences[["low", "high", "p", "holm"]].isna().all(axis=None)
    assert "one seed" in str(compared)
    assert "b - a" not in str(compared)


@pytest.mark.parametrize("sign", [1, -1])
def test_seeds_that_disagree_are_told(sign):
    made = sign * np.array([[[0.3]] * 6, [[-0.1]] * 6])
    compared = compare({"a": results(np.zeros((2, 6, 1))), "b": results(made)})
    assert not compared.differences["agree"].item()
    compared = compare({"a": results(np.zeros((2, 6, 1))), "b": results(np.abs(made) * sign)})
    assert compared.differences["agree"].item()


def test_an_infinite_distance_counts_as_the_diagonal_and_is_told():
    frame = results([[[2.0], [np.inf]]], metric="hd95", diagonal=40.0)
    compared = compare({"a": frame}, metric="hd95")
    assert compared.table.loc["a", "mean"] == pytest.approx(21)
    assert compared.penalised == 1
    assert "diagonal stands for it: 1 of 2 values" in compared.describe()


def test_the_interval_of_cases_alone_is_close_to_students_t():
    """One seed, normal values: the textbook interval, to a tenth of its width."""
    values = np.random.default_rng(3).normal(size=(1, 30))
    low, high = interval(values, [str(i) for i in range(30)])
    wanted = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values[0]))
    np.testing.assert_allclose([low, high], wanted, atol=0.1 * (wanted[1] - wanted[0]))


def test_the_spread_over_seeds_is_unbiased():
    """Cases all alike: the redrawn mean varies as the seeds' sample variance over their number."""
    values = np.repeat([[0.1], [0.4], [0.9]], 5, axis=1)
    spread = resampled_means(values, list("abcde")).var()
    assert spread == pytest.approx(np.var([0.1, 0.4, 0.9], ddof=1) / 3, rel=0.1)


def test_a_patients_cases_are_drawn_together():
    """Five copies of a patient are not five patients: the interval stays as wide as that of the patients."""
    values = np.random.default_rng(4).normal(size=(1, 8))
    names = [str(i) for i in range(8)]
    single = interval(values, names)
    copied = interval(np.repeat(values, 5, axis=1), np.repeat(names, 5).tolist())
    np.testing.assert_allclose(single, copied, atol=1e-9)


def test_wilcoxon_counts_patients_not_cases():
    many = np.tile([0.1, 0.2, 0.3], 10)
    assert signed_rank(many, list("abc") * 10) == pytest.approx(2 / 2**3)


def test_one_patient_has_no_interval():
    assert np.isnan(interval(np.ones((2, 3)), ["p", "p", "p"])).all()


@pytest.mark.parametrize(("seed_spread", "allowed"), [(0.0, 0.05), (0.2, 0.05)])
def test_a_null_effect_is_called_significant_no_more_often_than_it_should_be(seed_spread, allowed):
    """Equal methods, cases that suit one or the other (spread 1), lucky seeds, noise; 10 patients."""
    rng = np.random.default_rng(5)
    trials, called = 300, 0
    patients = [str(i) for i in range(10)]
    for _ in range(trials):
        difference = (
            rng.normal(size=(1, 10))
            + seed_spread * np.sqrt(2) * rng.normal(size=(2, 1))
            + 0.5 * np.sqrt(2) * rng.normal(size=(2, 10))
        )
        low, high = interval(difference, patients)
        called += not low <= 0 <= high
    assert stats.binomtest(called, trials, allowed, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("what", ["cohort", "budget", "judge"])
def test_runs_under_other_conditions_are_refused(what):
    frame = results([[[0.5]]]).drop(columns="seed")
    with pytest.raises(ValueError, match=f"b and a cannot be compared: their {what} differ"):
        compare({"a": [run(frame)], "b": [run(frame, **{what: "other"})]})


def judged(*parts, tolerance=1.0) -> dict:
    """A judge's recipe, as a run's record holds it."""
    return {"target": "Judge", "arguments": {"parts": list(parts), "tolerance": tolerance}}


def test_runs_judged_on_other_parts_are_compared_on_the_part_they_share():
    test = results([[[0.5]]]).drop(columns="seed").assign(part="test")
    both = pd.concat([test.assign(dice=0.7), test.assign(part="validation")])
    runs = {
        "a": [run(test, judge=judged("test"))],
        "b": [run(both, judge=judged("validation", "test"))],
    }
    assert compare(runs, part="test").table["mean"].tolist() == [0.5, 0.7]
    with pytest.raises(ValueError, match="a was judged on test, wanted validation"):
        compare(runs, part="validation")
    with pytest.raises(ValueError, match="test, validation; name"):
        compare(runs)


def test_runs_that_were_scored_differently_are_refused_whatever_their_parts():
    frame = results([[[0.5]]]).drop(columns="seed").assign(part="test")
    runs = {"a": [run(frame, judge=judged("test"))], "b": [run(frame, judge=judged("test", tolerance=2.0))]}
    with pytest.raises(ValueError, match="their judge differ"):
        compare(runs)


def test_runs_are_paired_by_their_seeds():
    frame = results([[[0.5]]]).drop(columns="seed")
    compared = compare({"a": [run(frame, 0), run(frame, 1)], "b": [run(frame, 1), run(frame, 0)]})
    assert compared.seeds == (0, 1)
    with pytest.raises(ValueError, match=r"seed: b lacks \[1\]"):
        compare({"a": [run(frame, 0), run(frame, 1)], "b": [run(frame, 0)]})


def test_a_run_without_a_judge_is_refused():
    with pytest.raises(ValueError, match="a judge"):
        compare({"a": [run(None)]})


def test_other_cases_are_refused():
    with pytest.raises(ValueError, match=r"case: b, seed 0 lacks \['c1'\]"):
        compare({"a": results([[[0.5], [0.5]]]), "b": results([[[0.5]]])})


def test_a_case_that_lacks_a_class_is_refused():
    whole = results([[[0.5, 0.6], [0.7, 0.8]]])
    with pytest.raises(ValueError, match="lack a class"):
        compare({"a": whole, "b": whole.drop(index=3)})
    with pytest.raises(ValueError, match=r"class: b, seed 0 lacks \['k1'\]"):
        compare({"a": whole, "b": whole[whole["class"] == "k0"]})


def test_a_value_that_is_there_twice_is_refused():
    """Twice as well where another is missing, so that their number is right."""
    whole = results([[[0.5, 0.6], [0.7, 0.8]]])
    with pytest.raises(ValueError, match=r"two values for \{'method': 'a', 'seed': 0"):
        compare({"a": pd.concat([whole, whole.head(1)])})
    with pytest.raises(ValueError, match="two values for"):
        compare({"a": pd.concat([whole.drop(index=3), whole.head(1)])})


def test_results_without_a_case_are_refused():
    with pytest.raises(ValueError, match="got no case"):
        compare({"a": results([[[0.5]]]).head(0)})


def test_rows_may_come_in_any_order():
    values = np.random.default_rng(6).uniform(size=(3, 4, 2))
    frame = results(values)
    frame["patient"] = frame["case"].map({"c0": "x", "c1": "y", "c2": "x", "c3": "z"})
    shuffled = frame.sample(frac=1, random_state=1)
    compared = compare({"a": frame, "b": shuffled})
    np.testing.assert_array_equal(compared.values[1], compared.values[0])
    np.testing.assert_array_equal(compared.values[0], values)
    alone = compare({"b": shuffled})
    assert dict(zip(alone.cases, alone.patients, strict=True)) == {"c0": "x", "c1": "y", "c2": "x", "c3": "z"}
    assert alone.seeds == (0, 1, 2)
    at = alone.cases.index("c2"), alone.classes.index("k1")
    np.testing.assert_array_equal(alone.values[0, :, at[0], at[1]], values[:, 2, 1])


def test_two_seeds_are_called_few():
    said = [compare({"a": results(np.full((n, 2, 1), 0.5))}).describe() for n in (1, 2, 3)]
    assert ["Two seeds say little" in one for one in said] == [False, True, False]


def test_several_parts_must_be_told_apart():
    both = pd.concat([results([[[0.5]]]), results([[[0.7]]]).assign(part="test")])
    with pytest.raises(ValueError, match="test, validation"):
        compare({"a": both})
    assert compare({"a": both}, part="test").table.loc["a", "mean"] == pytest.approx(0.7)


def test_infinite_distances_without_a_diagonal_are_refused():
    with pytest.raises(ValueError, match="diagonals"):
        compare({"a": results([[[2.0], [np.inf]]], metric="hd95")}, metric="hd95")


def test_a_metric_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="hd95: not measured"):
        compare({"a": results([[[0.5]]])}, metric="hd95")
    with pytest.raises(ValueError, match="wanted one of dice"):
        compare({"a": results([[[0.5]]])}, metric="dise")


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_that_of_statsmodels(seed):
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).choice([0.001, 0.01, 0.02, 0.04, 0.3, 0.7, 1.0], size=8)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm(np.array([])).shape == (0,)


def test_pairs_may_go_either_way_and_be_none():
    compared = compare({"a": results(np.full((2, 6, 1), 0.5)), "b": results(np.full((2, 6, 1), 0.6))})
    found = compared.paired([("a", "b"), ("b", "a")])
    assert found["mean"].tolist() == pytest.approx([-0.1, 0.1])
    np.testing.assert_allclose(found["low"], -found["high"][::-1])
    assert list(compared.paired([]).columns) == list(found.columns)
    with pytest.raises(ValueError, match="wanted one of a, b"):
        compared.paired([("a", "c")])


def test_wilcoxon_is_scipys_on_the_patients_means():
    rng = np.random.default_rng(7)
    differences, patients = rng.normal(0.3, 1, size=12), list("abcdefghabcd")
    means = [np.mean([d for d, p in zip(differences, patients, strict=True) if p == q]) for q in "abcdefgh"]
    assert signed_rank(differences, patients) == pytest.approx(stats.wilcoxon(means).pvalue)


def test_holm_goes_down_the_ordered_ps_by_hand():
    """0.01 x 3, then max(that, 0.02 x 2), then max(that, 0.03 x 1); a p that is missing stays missing."""
    assert holm(np.array([0.03, 0.01, np.nan, 0.02])) == pytest.approx(
        [0.04, 0.03, np.nan, 0.04], nan_ok=True
    )
