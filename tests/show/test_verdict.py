"""A verdict on a page names the claim, its state in words, and its evidence."""

import pytest

from medseg_lab.evaluation.effects import Effect, Terms
from medseg_lab.evaluation.verdicts import MARKS, STATES, Verdict
from medseg_lab.show.verdict import show_verdicts
from medseg_lab.survey.claims import claims


@pytest.mark.parametrize("state", STATES)
def test_state_and_evidence_are_words_not_colour_alone(state, monkeypatch):
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    claim = claims("2.1.1")[0]
    terms = Terms("acdc", "class", 300, 100_000, "test", (20, 20))
    effect = Effect(claim, terms, 0.04, 0.02, 0.06, p=0.01, agree=True, seeds=2, cases=10)
    evidence = None if state == "not run" else effect
    show_verdicts([Verdict(claim, state, "Because.", evidence, 0.01)])
    (output,) = shown
    assert claim.statement in output["text/plain"]
    assert f"{MARKS[state]} {state}" in output["text/html"]
    assert "Because." in output["text/html"]
    assert ("+0.040" in output["text/html"]) == (state != "not run")
