"""Comparisons on results whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation.comparison import compare


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


def run(cases: pd.DataFrame | None, seed: int = 0, held_out: str = "h", **conditions) -> SimpleNamespace:
    """What a comparison reads of a run."""
    parts = {"cohort": "abc", "budget": {"steps": 3}, "judge": "j", **conditions}
    cohort = SimpleNamespace(held_out=held_out)
    return SimpleNamespace(cases=cases, record=SimpleNamespace(seed=seed, parts=parts, cohort=cohort))


def judged(*parts, tolerance=1.0) -> dict:
    """A judge's recipe, as a run's record holds it."""
    return {"target": "Judge", "arguments": {"parts": list(parts), "tolerance": tolerance}}


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
    assert row["p"] == pytest.approx(0, abs=1e-12)
    assert row["signed_rank"] == pytest.approx(2 / 2**12)  # 12 patients, all signs alike, two-sided


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


def test_a_patients_cases_are_averaged_first():
    """Two patients, of whom one has three cases: each counts for one half."""
    frame = results([[[0.2], [0.4], [0.6], [0.8]]] * 2).assign(patient=["p0", "p0", "p0", "p1"] * 2)
    compared = compare({"a": frame, "b": frame.assign(dice=frame["dice"] + [0, 0, 0.3, 0.5] * 2)})
    assert compared.of_patients("a")[0] == pytest.approx([0.4, 0.8])
    assert compared.table["mean"].tolist() == pytest.approx([0.6, 0.9])
    assert compared.differences["mean"].item() == pytest.approx(0.3)
    assert compared.by_class.loc[("a", "k0"), "mean"] == pytest.approx(0.6)


def test_noise_of_summation_is_no_difference():
    """(0.1 + 0.2) - 0.3 is not 0 in floating point."""
    compared = compare({"a": results(np.full((3, 6, 1), 0.3)), "b": results(np.full((3, 6, 1), 0.1 + 0.2))})
    assert compared.differences[["mean", "p"]].to_numpy().tolist() == [[0, 1]]


NOTHING = np.nan


def test_a_case_without_the_class_counts_only_if_somebody_drew_it():
    """Case 0 has the class; of the others none has it, and `b` draws it in case 1 with its second seed."""
    calm = results([[[0.8], [NOTHING], [NOTHING]]] * 2)
    rash = results([[[0.8], [NOTHING], [NOTHING]], [[0.8], [0.0], [NOTHING]]])
    compared = compare({"a": calm, "b": rash})
    assert (compared.cases, compared.judged) == (("c0", "c1"), ("c0", "c1", "c2"))
    assert compared.of("a").tolist() == [[0.8, 1.0]] * 2
    assert compared.of("b").tolist() == [[0.8, 1.0], [0.8, 0.0]]
    assert compared.table["cases"].tolist() == [2, 2]
    assert "of 3 judged, k0 2." in compared.describe()
    assert compare({"a": calm}).table["mean"].item() == pytest.approx(0.8)


def test_a_network_that_draws_nothing_is_not_lifted_by_what_is_not_there():
    """Counted as 1, the absent class would give it (0 + 1) / 2."""
    compared = compare({"nothing": results([[[0.0, NOTHING], [NOTHING, 0.0], [NOTHING, NOTHING]]])})
    assert compared.table.loc["nothing", ["mean", "cases"]].tolist() == [0, 2]
    assert compared.by_class["cases"].tolist() == [1, 1]
    assert compared.by_class["mean"].tolist() == [0, 0]


def test_a_class_that_no_case_has_rewards_nobody_who_draws_nothing():
    """The absent class would give `calm` (0.2 + 1) / 2 in the two cases where `rash` draws it."""
    calm = results([[[0.2, NOTHING], [0.4, NOTHING], [0.6, NOTHING]]])
    rash = results([[[0.5, 0.0], [0.7, 0.0], [0.9, NOTHING]]])
    compared = compare({"calm": calm, "rash": rash})
    assert compared.classes == ("k0",)
    assert compared.table["mean"].tolist() == pytest.approx([0.4, 0.7])
    said = compared.describe()
    assert "Dice, mean of k0;" in said
    assert (
        "k1 is in no validation case, and left out of the mean; cases in which it was predicted: rash (2)."
        in said
    )
    assert "k1 is in no validation case, and left out of the mean." in compare({"calm": calm}).describe()


def test_a_class_that_one_case_has_counts_and_has_no_remark():
    compared = compare({"a": results([[[0.2, NOTHING], [0.4, 0.3]]])})
    assert compared.classes == ("k0", "k1")
    assert "left out" not in compared.describe()


def test_where_no_case_has_any_class_methods_cannot_be_told_apart():
    with pytest.raises(ValueError, match="dice: no validation case has k0, so methods cannot be told apart"):
        compare({"a": results([[[NOTHING]]]), "b": results([[[0.0]]])}, part="validation")


def test_what_is_there_for_no_class_has_no_comparison():
    with pytest.raises(ValueError, match="dice: no class is in any case, and no method predicted one"):
        compare({"a": results([[[NOTHING], [NOTHING]]])})


def test_a_distance_where_one_drew_and_the_other_rightly_did_not():
    drew = results([[[2.0], [np.inf]]] * 2, metric="hd95", diagonal=40.0)
    rightly = results([[[2.0], [NOTHING]]] * 2, metric="hd95", diagonal=40.0)
    compared = compare({"a": drew, "b": rightly}, "hd95")
    assert compared.of("a").tolist() == [[2.0, 40.0]] * 2
    assert compared.of("b").tolist() == [[2.0, 0.0]] * 2
    unknown = rightly.assign(diagonal=[40.0, NOTHING] * 2)
    with pytest.raises(ValueError, match="hd95: not measured on every case"):
        compare({"a": drew, "b": unknown}, "hd95")


def test_a_measure_without_a_value_for_nothing_must_be_there_for_all_or_none():
    first = results([[[0.3], [NOTHING]]], metric="ged")
    assert compare({"a": first, "b": first}, "ged").cases == ("c0",)
    with pytest.raises(ValueError, match="ged: not measured on every case"):
        compare({"a": first, "b": results([[[0.3], [0.4]]], metric="ged")}, "ged")


def test_an_infinite_distance_counts_as_the_diagonal_and_is_told():
    frame = results([[[2.0], [np.inf]]], metric="hd95", diagonal=40.0)
    compared = compare({"a": frame}, metric="hd95")
    assert compared.table.loc["a", "mean"] == pytest.approx(21)
    assert compared.penalised == 1
    assert "diagonal stands for it: 1 of 2 values" in compared.describe()
    with pytest.raises(ValueError, match="diagonals are not known"):
        compare({"a": frame.drop(columns="diagonal")}, metric="hd95")


def test_a_measure_of_one_class_is_compared_on_that_class():
    """As the judge leaves `rarest_dice`: empty for the other classes."""
    frame = results([[[0.2, 0.4], [0.6, 0.8]]] * 2)
    frame["rarest_dice"] = frame["dice"].where(frame["class"] == "k1")
    better = frame.assign(rarest_dice=frame["rarest_dice"] + 0.1)
    compared = compare({"a": frame, "b": better}, "rarest_dice")
    assert compared.classes == ("k1",)
    assert compared.table["mean"].tolist() == pytest.approx([0.6, 0.7])
    assert "mean of k1" in compared.describe()
    other = frame.assign(rarest_dice=frame["dice"].where(frame["class"] == "k0"))
    with pytest.raises(ValueError, match="rarest_dice: not measured on every case"):
        compare({"a": frame, "b": other}, "rarest_dice")


def test_a_metric_that_was_not_measured_is_refused():
    for frame in (results([[[0.5]]]), results([[[0.5], [0.6]]]).assign(hd95=[1.0, np.nan])):
        with pytest.raises(ValueError, match=r"hd95: not measured on every case: .* spacing in mm"):
            compare({"a": frame}, metric="hd95")
    with pytest.raises(ValueError, match=r"metric: expected one of dice, .* got 'dise'"):
        compare({"a": results([[[0.5]]])}, metric="dise")


VALUES = np.random.default_rng(0).uniform(0.4, 0.8, (2, 6, 1))


def runs(values=VALUES, **conditions) -> list[SimpleNamespace]:
    """A run a seed."""
    tables = [results(of_seed[None]).drop(columns="seed") for of_seed in np.asarray(values)]
    return [run(cases, seed, **conditions) for seed, cases in enumerate(tables)]


@pytest.mark.parametrize("across_labels", [False, True])
@pytest.mark.parametrize(
    ("what", "first", "other"),
    [
        ("budget", {"steps": 3}, {"steps": 4}),
        ("judge", judged("validation"), judged("validation", tolerance=2.0)),
    ],
)
def test_runs_under_other_conditions_are_refused(what, first, other, across_labels):
    sides = {"a": runs(**{what: first}), "b": runs(**{what: other}, cohort="abc")}
    with pytest.raises(ValueError, match=f"b and a cannot be compared: their {what} differ"):
        compare(sides, across_labels=across_labels)


def test_other_labels_are_refused_unless_asked_for():
    sides = {"few": runs(), "every": runs(VALUES + 0.1, cohort="every")}
    with pytest.raises(ValueError, match="every and few cannot be compared: their cohort differ"):
        compare(sides)
    compared = compare(sides, across_labels=True)
    (row,) = compared.differences.to_dict("records")
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], 0.1)


def test_across_labels_what_is_held_out_must_be_the_same():
    with pytest.raises(ValueError, match=r"their cohort differ, 'other' and 'h'"):
        compare({"few": runs(), "every": runs(cohort="every", held_out="other")}, across_labels=True)
    with pytest.raises(ValueError, match="case: every, seed 0 lacks"):
        compare({"few": runs(), "every": runs(VALUES[:, :5], cohort="every")}, across_labels=True)


def test_the_same_cohort_needs_no_asking_and_loses_nothing_by_it():
    sides = {"a": runs(), "b": runs(VALUES + 0.05)}
    np.testing.assert_array_equal(compare(sides).values, compare(sides, across_labels=True).values)


def test_three_counts_of_labels_are_compared_at_once():
    sides = {str(n): runs(VALUES + 0.01 * n, cohort=str(n)) for n in (2, 4, 8)}
    compared = compare(sides, baseline="4", across_labels=True)
    assert compared.differences.set_index("first")["mean"].to_dict() == pytest.approx({"2": -0.02, "8": 0.04})


def test_runs_judged_on_other_parts_are_compared_on_the_part_they_share():
    test = results([[[0.5]]]).drop(columns="seed").assign(part="test")
    both = pd.concat([test.assign(dice=0.7), test.assign(part="validation")])
    sides = {
        "a": [run(test, judge=judged("test"))],
        "b": [run(both, judge=judged("validation", "test"))],
    }
    assert compare(sides, part="test").table["mean"].tolist() == [0.5, 0.7]
    with pytest.raises(ValueError, match="a was judged on test, not on validation"):
        compare(sides, part="validation")
    with pytest.raises(ValueError, match="test, validation; name"):
        compare(sides)


def test_runs_are_paired_by_their_seeds_and_cases_in_whatever_order():
    sides = {"a": runs(), "b": runs(VALUES + 0.1)[::-1]}
    for one in sides["b"]:
        one.cases = one.cases.sample(frac=1, random_state=0)
    compared = compare(sides)
    assert compared.seeds == (0, 1)
    np.testing.assert_allclose(compared.of("b") - compared.of("a"), 0.1)
    with pytest.raises(ValueError, match=r"seed: b lacks \[1\]"):
        compare({"a": sides["a"], "b": sides["b"][1:]})


def test_what_holds_no_result_is_refused():
    with pytest.raises(ValueError, match="a judge"):
        compare({"a": [run(None)]})
    with pytest.raises(ValueError, match="results: expected at least one case, got none"):
        compare({"a": results([[[0.5]]]).head(0)})
    with pytest.raises(ValueError, match="results: expected at least one method, got none"):
        compare({})


def test_other_cases_and_classes_are_refused():
    with pytest.raises(ValueError, match=r"case: b, seed 0 lacks \['c1'\]"):
        compare({"a": results([[[0.5], [0.5]]]), "b": results([[[0.5]]])})
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


def test_pairs_may_go_either_way_and_be_none():
    compared = compare({"a": results(np.full((2, 6, 1), 0.5)), "b": results(np.full((2, 6, 1), 0.6))})
    found = compared.paired([("a", "b"), ("b", "a")])
    assert found["mean"].tolist() == pytest.approx([-0.1, 0.1])
    np.testing.assert_allclose(found["low"], -found["high"][::-1])
    assert list(compared.paired([]).columns) == list(found.columns)
    with pytest.raises(ValueError, match="method: expected one of a, b, got 'c'"):
        compared.paired([("a", "c")])


def test_an_interval_ends_where_the_measure_does():
    """Two lucky trainings leave one degree of freedom, whose interval would go far beyond 1."""
    rng = np.random.default_rng(0)
    base, luck = rng.uniform(0.4, 0.6, (1, 8, 1)), np.array([0.0, 0.3])[:, None, None]
    compared = compare({"a": results(base + luck), "b": results(np.tile(base, (2, 1, 1)))})
    assert compared.table.loc["a", ["low", "high"]].tolist() == [0, 1]
    assert compared.differences[["low", "high"]].to_numpy().tolist() == [[-1, 1]]
    assert "−0.000" not in str(compare({"a": results(base), "b": results(base - 1e-5)}))
