"""What evidence is called what."""

from dataclasses import replace

import numpy as np
import pytest

from medseg_lab.evaluation.effects import Effect, Terms
from medseg_lab.evaluation.verdicts import Verdict, verdict
from medseg_lab.survey.claims import Claim

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
TERMS = Terms("acdc", "class", 300, 100_000, "test", (20, 20))
BETTER = Effect(CLAIM, TERMS, 0.05, 0.04, 0.06, p=0.001, agree=True, seeds=2, cases=10)


def judged(kind, value, low, high, p=0.001, metric="dice", **more):
    direction = "lower" if metric in ("seconds", "parameters") else "higher"
    claim = CLAIM.model_copy(update={"kind": kind, "metric": metric, "direction": direction})
    return verdict(replace(BETTER, claim=claim, value=value, low=low, high=high, **more), p)


@pytest.mark.parametrize(
    ("value", "low", "high", "state"),
    [
        (0.05, 0.04, 0.06, "supported"),
        (0.01, 0.001, 0.02, "supported"),  # the margin is reached on average
        (0.009, 0.001, 0.02, "inconclusive"),  # it is not, yet not excluded
        (0.004, 0.001, 0.0099, "not supported"),  # real, yet below the margin
        (0.005, 0.001, 0.01, "inconclusive"),
        (0.02, 0.0, 0.04, "inconclusive"),  # the interval holds zero
        (0.02, -0.01, 0.05, "inconclusive"),
        (-0.05, -0.06, -0.04, "not supported"),
    ],
)
def test_superiority(value, low, high, state):
    assert judged("superior", value, low, high).state == state


def test_superiority_needs_p_and_seeds_that_agree():
    assert judged("superior", 0.05, 0.04, 0.06, p=0.049).state == "supported"
    assert judged("superior", 0.05, 0.04, 0.06, p=0.05).state == "inconclusive"
    assert judged("superior", 0.05, 0.04, 0.06, p=np.nan).state == "inconclusive"
    assert judged("superior", 0.05, 0.04, 0.06, agree=False).reason == "The seeds do not agree in sign."


def test_the_reason_tells_a_reversal_from_a_trifle():
    assert judged("superior", -0.05, -0.06, -0.04).reason == "The difference goes the other way."
    assert judged("superior", 0.001, -0.001, 0.004).reason == (
        "An advantage of 0.01, the smallest worth naming, is outside the interval."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "state"),
    [
        (-0.004, -0.0099, 0.002, "supported"),  # a small loss is allowed
        (0.05, 0.04, 0.06, "supported"),
        (-0.004, -0.01, 0.002, "inconclusive"),
        (-0.02, -0.03, -0.01, "inconclusive"),
        (-0.02, -0.03, -0.011, "not supported"),
    ],
)
def test_non_inferiority(value, low, high, state):
    assert judged("non-inferior", value, low, high, p=np.nan, agree=False).state == state


@pytest.mark.parametrize(
    ("value", "low", "high", "state"),
    [
        (0.0, -0.009, 0.009, "supported"),
        (0.002, 0.001, 0.003, "supported"),  # different, but not by what is worth naming
        (0.0, -0.01, 0.005, "inconclusive"),
        (0.0, -0.005, 0.01, "inconclusive"),
        (0.02, 0.011, 0.03, "not supported"),
        (-0.02, -0.03, -0.011, "not supported"),
        (0.02, 0.01, 0.03, "inconclusive"),
    ],
)
def test_equivalence(value, low, high, state):
    assert judged("equivalent", value, low, high, p=np.nan, agree=False).state == state


KINDS = pytest.mark.parametrize("kind", ["superior", "non-inferior", "equivalent"])


@KINDS
def test_one_seed_decides_nothing(kind):
    found = judged(kind, 0.3, np.nan, np.nan, p=np.nan, seeds=1)
    assert found.state == "inconclusive"
    assert "one seed" in found.sentence
    assert "[" not in found.sentence


@KINDS
def test_one_patient_decides_nothing(kind):
    found = judged(kind, 0.3, np.nan, np.nan)
    assert (found.state, found.reason) == ("inconclusive", "One patient cannot stand for others.")


@KINDS
@pytest.mark.parametrize("metric", ["dice", "parameters"])
def test_a_smoke_budget_decides_nothing(kind, metric):
    smoke = Terms("acdc", "smoke", 3, 24**3, "test", (4, 4))
    found = judged(kind, 0.3, 0.3, 0.3, metric=metric, terms=smoke)
    assert found.state == "inconclusive"
    assert found.reason == "Smoke budget (3 steps): proves that it runs, tests nothing."


@pytest.mark.parametrize(
    ("kind", "value", "state"),
    [
        ("superior", 0.5, "supported"),
        ("superior", 0.005, "not supported"),
        ("superior", -0.5, "not supported"),
        ("non-inferior", -0.005, "supported"),
        ("non-inferior", -0.5, "not supported"),
        ("equivalent", 0.005, "supported"),
        ("equivalent", 0.5, "not supported"),
    ],
)
def test_what_is_exact_needs_neither_p_nor_a_second_seed(kind, value, state):
    found = judged(kind, value, value, value, p=np.nan, metric="parameters", seeds=1, cases=0)
    assert found.state == state
    assert "interval" not in found.reason or kind != "superior"


def test_a_time_needs_both():
    assert judged("superior", 0.5, 0.4, 0.6, p=np.nan, metric="seconds").state == "inconclusive"
    assert judged("superior", 0.5, np.nan, np.nan, metric="seconds", seeds=1).state == "inconclusive"
    assert judged("superior", 0.5, 0.4, 0.6, p=0.01, metric="seconds").state == "supported"


def test_the_sentence_quotes_effect_interval_seeds_cases_and_reason():
    assert judged("superior", 0.05, 0.04, 0.06, p=0.02).sentence == (
        "Supported: A against B: Dice +0.050 [+0.040, +0.060], 2 seeds, 10 test cases. Holm p 0.020."
    )
    assert judged("superior", 0.5, 0.4, 0.6, p=0.02, metric="seconds", cases=0).detail == (
        "A against B: training time lower by +50% [+40%, +60%], 2 seeds. Holm p 0.020."
    )
    assert str(Verdict(CLAIM, "not run", "There are no runs.")) == "Not run: A against B. There are no runs."


def test_the_place_names_data_budget_labels_seeds_and_cases():
    assert verdict(BETTER, 0.01).place == "acdc, class budget, 20 patients labelled, 2 seeds, 10 test cases"
    uneven = replace(BETTER, terms=replace(TERMS, labelled=(20, 4)))
    assert "20 and 4 patients labelled" in verdict(uneven, 0.01).place


def test_without_evidence_there_are_no_numbers():
    found = Verdict(CLAIM, "not run", "There are no runs.")
    assert (found.effect, found.finding, found.place, found.numbers) == ("", "", "", "")
