"""What evidence is called what."""

from dataclasses import replace

import numpy as np
import pytest

from medseg_lab.evaluation.effects import Effect, Terms
from medseg_lab.evaluation.verdicts import Verdict, verdict
from medseg_lab.survey.claims import Acts, Claim, Side

CLAIM = Claim(id="c", section="2.1.1", statement="A beats B.", better="A", worse="B", margin=0.01)
TERMS = Terms("acdc", "class", 300, 100_000, "test", (20, 20))
BETTER = Effect(CLAIM, TERMS, 0.05, 0.04, 0.06, p=0.001, margin=0.01, seeds=3, patients=10, cases=10)


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


def test_superiority_needs_p():
    assert judged("superior", 0.05, 0.04, 0.06, p=0.049).state == "supported"
    assert judged("superior", 0.05, 0.04, 0.06, p=0.05).state == "inconclusive"
    assert judged("superior", 0.05, 0.04, 0.06, p=np.nan).state == "inconclusive"


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
    assert judged("non-inferior", value, low, high, p=np.nan).state == state


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
    assert judged("equivalent", value, low, high, p=np.nan).state == state


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
        "Supported: A against B: Dice +0.050 [+0.040, +0.060], 3 seeds, 10 test cases. Holm p 0.020."
    )
    assert judged("superior", 0.5, 0.4, 0.6, p=0.02, metric="seconds", cases=0).detail == (
        "A against B: training time: 0.50 times as much [0.40, 0.60], 3 seeds. Holm p 0.020."
    )
    assert str(Verdict(CLAIM, "not run", "There are no runs.")) == "Not run: A against B. There are no runs."


@pytest.mark.parametrize(("high", "said"), [(0.6, "0.40"), (1 - 3e-5, "<0.01"), (0.99, "0.01")])
@pytest.mark.parametrize(("low", "printed"), [(-3706.0, ">1000"), (-24.3, "25"), (0.4, "0.60")])
def test_a_cost_is_a_factor_however_long_its_interval(low, printed, high, said):
    found = judged("superior", 0.45, low, high, p=0.6, metric="seconds", seeds=2, cases=0)
    assert found.finding == f"training time: 0.55 times as much [{said}, {printed}]"


def test_two_seeds_can_refute_and_not_support():
    assert judged("superior", 0.05, 0.04, 0.06, seeds=2).reason == (
        "Holm p 0.001. Two seeds cannot support a claim; 3 can."
    )
    for kind, value, low, high in (
        ("superior", 0.05, 0.04, 0.06),
        ("non-inferior", 0.05, 0.04, 0.06),
        ("equivalent", 0.0, -0.005, 0.005),
    ):
        assert judged(kind, value, low, high, seeds=2).state == "inconclusive"
        assert judged(kind, -0.05, -0.06, -0.04, seeds=2).state == "not supported"


def test_too_few_patients_decide_nothing():
    for low, high in ((0.04, 0.06), (-0.06, -0.04)):
        found = judged("superior", (low + high) / 2, low, high, patients=5)
        assert found.state == "inconclusive"
        assert found.reason.startswith("5 patients: no p below 0.05 can be reached")


def test_what_is_noted_in_a_unit_is_no_share():
    assert Acts(noted="offset", above=0.1, unit="voxels").written(0.4443) == "offset 0.44 voxels"
    assert Acts(noted="kept", above=0.1).written(0.4443) == "kept 44.4%"


KEPT = CLAIM.model_copy(update={"acts": Acts(noted="kept", below=0.95)})


@pytest.mark.parametrize(
    ("activity", "state", "said"),
    [
        (0.996, "not tested", "kept was to be below 0.95. The idea did not act: kept 99.6%."),
        (0.412, "supported", "Holm p 0.001. The idea acted: kept 41.2%."),
        (np.nan, "not tested", "Whether the idea acted is not known: kept was not measured."),
    ],
)
def test_an_idea_that_did_not_act_was_not_tested(activity, state, said):
    found = verdict(replace(BETTER, claim=KEPT, activity=activity), 0.001)
    assert (found.state, found.because) == (state, said)


def test_activity_is_said_even_where_nothing_was_decided():
    smoke = replace(BETTER, claim=KEPT, activity=0.996, terms=replace(TERMS, budget="smoke"))
    assert verdict(smoke, 0.001).state == "inconclusive"
    assert "kept 99.6%" in verdict(smoke, 0.001).detail


def test_activity_may_be_a_measure_with_its_unit():
    acts = Acts(measure="mutual_information", above=0.001)
    found = verdict(replace(BETTER, claim=CLAIM.model_copy(update={"acts": acts}), activity=0.0003), 0.001)
    assert found.because == (
        "mutual_information was to be above 0.001. The idea did not act: mutual information (nats) 0.0003."
    )


GAPPED = CLAIM.model_copy(update={"gap": Side(method="A", labelled="all")})


@pytest.mark.parametrize(
    ("width", "low", "state"),
    [(0.054, 0.02, "supported"), (0.008, 0.002, "not tested"), (0.054, -0.001, "not tested")],
)
def test_a_gap_is_three_margins_and_surely_above_zero(width, low, state):
    gap = replace(BETTER, value=width, low=low, high=0.1)
    found = verdict(replace(BETTER, claim=GAPPED, gap=gap), 0.001)
    assert found.state == state
    assert f"Gap to A (all patients labelled): +{width:.3f} [" in found.detail
    if state == "not tested":
        assert found.reason == "No gap to close: it is to be at least 0.030 (3 margins), and surely above 0."


def test_a_gap_that_nobody_measured_is_none():
    found = verdict(replace(BETTER, claim=GAPPED), 0.001)
    assert found.state == "not tested"
    assert found.reason == (
        "Whether there is a gap to close is not known: "
        "too few runs of A (all patients labelled) on these terms."
    )


def test_what_was_matched_and_what_a_step_saw_is_said():
    claim = CLAIM.model_copy(update={"matched": "nothing"})
    found = verdict(replace(BETTER, claim=claim, seen=(98_304, 110_592)), 0.001)
    assert found.because == (
        "Holm p 0.001. The two sides are matched neither in operations nor in parameters. "
        "Voxels that a step held: 98,304 and 110,592."
    )
    assert "held" not in verdict(replace(BETTER, seen=(98_304, 98_304)), 0.001).because


def test_a_relative_margin_is_printed_as_a_share_and_as_an_amount():
    claim = CLAIM.model_copy(update={"margin": None, "margin_share": 0.15, "kind": "equivalent"})
    found = verdict(replace(BETTER, claim=claim, margin=0.0123, value=0.0, low=-0.01, high=0.01))
    assert (
        found.reason == "A difference of 0.012 (15% of the other side's) either way is outside the interval."
    )


def test_the_place_names_data_budget_labels_seeds_and_cases():
    assert verdict(BETTER, 0.01).place == "acdc, class budget, 20 patients labelled, 3 seeds, 10 test cases"
    uneven = replace(BETTER, terms=replace(TERMS, labelled=(20, 4)))
    assert "20 and 4 patients labelled" in verdict(uneven, 0.01).place


def test_without_evidence_there_are_no_numbers():
    found = Verdict(CLAIM, "not run", "There are no runs.")
    assert (found.effect, found.finding, found.place, found.numbers) == ("", "", "", "")
