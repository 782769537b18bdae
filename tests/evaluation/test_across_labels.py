"""Methods with different numbers of labelled patients, paired on what is held out."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.protocol import Protocol
from medseg_lab.training.budget import budget
from tests.evaluation.test_comparison import judged, results

VALUES = np.random.default_rng(0).uniform(0.4, 0.8, (2, 6, 1))


def runs(values=VALUES, cohort="few", held_out="h", **conditions) -> list[SimpleNamespace]:
    """A run a seed, of a cohort with this fingerprint that holds out what `held_out` says."""
    found = []
    for seed, of_seed in enumerate(np.asarray(values)):
        cases = results(of_seed[None]).drop(columns="seed")
        parts = {"cohort": cohort, "budget": {"steps": 3}, "judge": judged("validation"), **conditions}
        record = SimpleNamespace(seed=seed, parts=parts, cohort=SimpleNamespace(held_out=held_out))
        found.append(SimpleNamespace(cases=cases, record=record))
    return found


def test_other_labels_are_refused_unless_asked_for():
    sides = {"few": runs(), "every": runs(VALUES + 0.1, cohort="every")}
    with pytest.raises(ValueError, match="every and few cannot be compared: their cohort differ"):
        compare(sides)
    compared = compare(sides, across_labels=True)
    (row,) = compared.differences.to_dict("records")
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], 0.1)


def test_pairing_is_by_case_and_seed_whatever_order_the_runs_come_in():
    every = runs(VALUES + 0.1, cohort="every")
    for run in every:
        run.cases = run.cases.sample(frac=1, random_state=0)
    compared = compare({"few": runs(), "every": every[::-1]}, across_labels=True)
    np.testing.assert_allclose(compared.of("every") - compared.of("few"), 0.1)


def test_what_is_held_out_must_be_the_same():
    with pytest.raises(ValueError, match=r"their cohort differ, 'other' and 'h'"):
        compare({"few": runs(), "every": runs(cohort="every", held_out="other")}, across_labels=True)


def test_the_same_cohort_needs_no_asking_and_loses_nothing_by_it():
    sides = {"a": runs(), "b": runs(VALUES + 0.05)}
    np.testing.assert_array_equal(compare(sides).values, compare(sides, across_labels=True).values)


@pytest.mark.parametrize(
    ("what", "value"), [("budget", {"steps": 4}), ("judge", judged("validation", tolerance=2.0))]
)
def test_all_else_must_agree_as_ever(what, value):
    with pytest.raises(ValueError, match=f"their {what} differ"):
        compare({"few": runs(), "every": runs(cohort="every", **{what: value})}, across_labels=True)


def test_other_cases_are_refused_though_the_cohorts_say_they_are_the_same():
    fewer = runs(VALUES[:, :5], cohort="every")
    with pytest.raises(ValueError, match="case: every, seed 0 lacks"):
        compare({"few": runs(), "every": fewer}, across_labels=True)


def test_three_counts_are_compared_at_once():
    sides = {str(n): runs(VALUES + 0.01 * n, cohort=str(n)) for n in (2, 4, 8)}
    compared = compare(sides, baseline="4", across_labels=True)
    assert compared.differences.set_index("first")["mean"].to_dict() == pytest.approx({"2": -0.02, "8": 0.04})


def test_a_protocol_passes_the_question_on():
    terms = Protocol(cohort="a cohort", budget=budget("smoke"), store="a store")
    sides = {"few": runs(), "every": runs(VALUES + 0.1, cohort="every")}
    assert terms.compare(sides, across_labels=True).differences["mean"].item() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="their cohort differ"):
        terms.compare(sides)


def test_tables_carry_no_cohort_and_are_paired_by_their_cases():
    tables = {"few": results(VALUES), "every": pd.concat([results(VALUES + 0.2)])}
    assert compare(tables, across_labels=True).differences["mean"].item() == pytest.approx(0.2)
