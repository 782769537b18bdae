"""Verdicts on claims as a table, for other programs."""

from collections.abc import Iterable

import pandas as pd

from medseg_lab.evaluation.claims import Judgement
from medseg_lab.evaluation.verdicts import Verdict


def claims_table(judgements: Iterable[Judgement]) -> pd.DataFrame:
    """One row a claim and data set; one row for a claim without evidence.

    Columns: those of the claim (sides in words), `overall` (its state over all data sets), then dataset,
    state, effect, low, high, p (Holm), seeds, cases, budget, steps, part, labelled_better, labelled_worse
    and reason; they are missing where there is no evidence.
    """
    rows = []
    for judgement in judgements:
        for verdict in judgement.by_data or (judgement.verdict,):
            rows.append({**_claim(verdict), "overall": judgement.verdict.state, **_evidence(verdict)})
    return pd.DataFrame(rows)


def _claim(verdict: Verdict) -> dict[str, object]:
    claim = verdict.claim
    plain = ("id", "section", "statement", "better", "worse", "metric", "direction", "margin", "kind")
    return {name: getattr(claim, name) for name in plain} | {
        "better": str(claim.better),
        "worse": str(claim.worse),
    }


def _evidence(verdict: Verdict) -> dict[str, object]:
    found = verdict.evidence
    terms = found.terms if found else None
    numbers = ("value", "low", "high")
    return {
        "dataset": terms and terms.dataset,
        "state": verdict.state,
        **{"effect" if name == "value" else name: getattr(found, name, None) for name in numbers},
        "p": verdict.p,
        **{name: getattr(found, name, None) for name in ("seeds", "cases")},
        **{name: getattr(terms, name, None) for name in ("budget", "steps", "part")},
        "labelled_better": terms and terms.labelled[0],
        "labelled_worse": terms and terms.labelled[1],
        "reason": verdict.reason,
    }
