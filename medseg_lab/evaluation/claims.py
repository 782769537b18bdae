"""What the ledger says of the survey's claims."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medseg_lab.evaluation.effects import Effect, effects
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.pairing import NothingToPairError
from medseg_lab.evaluation.statistics import holm
from medseg_lab.evaluation.verdicts import Verdict, untested, verdict
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.claims import claims as all_claims


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict on each data set, and over all of them.

    Args:
        verdict: over all data sets. Where those that can decide agree, theirs; where they do not,
            inconclusive. Of a claim that something exists: supported where it is found once.
        by_data: one verdict a data set on which both sides have runs, in the order of their ids; of a side of
            any of several methods, one each.
    """

    verdict: Verdict
    by_data: tuple[Verdict, ...] = ()

    @property
    def claim(self) -> Claim:
        """The statement."""
        return self.verdict.claim


def judged(ledger: Ledger, claims: Iterable[Claim] | None = None) -> list[Judgement]:
    """The verdicts on claims, from the runs that both of a claim's sides have on the same terms.

    p values are corrected (Holm) over what claims superiority in one section on one data set, and of a claim
    that something exists over all that could show it; what was not tested does not count.

    Args:
        ledger: the runs.
        claims: what to judge, whole sections so that p is corrected as it should be; None for all of the
            survey.

    Returns:
        One judgement a claim, in the order of `claims`.
    """
    wanted = list(all_claims() if claims is None else claims)
    rows = ledger.cases.groupby("run", sort=False).indices
    places = {str(run): np.asarray(found) for run, found in rows.items()}
    found: dict[str, list[Effect]] = {}
    missing: dict[str, str] = {}
    for claim in (one for one in wanted if not one.identity):
        try:
            found[claim.id] = effects(ledger, claim, places)
        except NothingToPairError as reason:
            missing[claim.id] = str(reason)
    corrected = _corrected([effect for of_claim in found.values() for effect in of_claim])
    judgements = []
    for claim in wanted:
        if claim.identity:
            judgements.append(Judgement(Verdict(claim, "supported", f"Exact: proved by {claim.identity}.")))
        elif claim.id in missing:
            judgements.append(Judgement(Verdict(claim, "not run", missing[claim.id])))
        else:
            verdicts = tuple(verdict(each, corrected.get(id(each), np.nan)) for each in found[claim.id])
            judgements.append(Judgement(_over_all(claim, verdicts), verdicts))
    return judgements


def claims_table(judgements: Iterable[Judgement]) -> pd.DataFrame:
    """One row a claim and data set; one row for a claim without evidence.

    Columns: those of the claim (sides in words), `overall` (its state over all data sets), then dataset,
    state, effect, low, high, p (Holm), margin (in the unit of the effect), activity, gap, seeds, patients,
    cases, budget, steps, part, labelled_better, labelled_worse and reason; they are missing where there is no
    evidence.
    """
    return pd.DataFrame(
        _row(one, judgement.verdict.state)
        for judgement in judgements
        for one in judgement.by_data or (judgement.verdict,)
    )


def _row(one: Verdict, overall: str) -> dict[str, object]:
    claim, found = one.claim, one.evidence
    terms = found.terms if found else None
    sides = {"better": str(claim.better or ""), "worse": str(claim.worse or "")}
    return {
        **{name: getattr(claim, name) for name in ("id", "section", "statement")},
        **sides,
        **{name: getattr(claim, name) for name in ("metric", "direction", "kind", "own", "identity")},
        "overall": overall,
        "dataset": terms and terms.dataset,
        "state": one.state,
        "effect": found and found.value,
        "low": found and found.low,
        "high": found and found.high,
        "p": one.p,
        "margin": found and found.margin,
        "activity": found and found.activity,
        "gap": found and found.gap and found.gap.value,
        **{name: getattr(found, name, None) for name in ("seeds", "patients", "cases")},
        **{name: getattr(terms, name, None) for name in ("budget", "steps", "part")},
        "labelled_better": terms and terms.labelled[0],
        "labelled_worse": terms and terms.labelled[1],
        "reason": one.because,
    }


def _corrected(effects: list[Effect]) -> dict[int, float]:
    """The p of what claims superiority, corrected over its family, by the effect's identity."""
    families: dict[tuple, list[Effect]] = defaultdict(list)
    for effect in effects:
        claim, terms = effect.claim, effect.terms
        if untested(effect) or not effect.votes or claim.kind not in ("superior", "exists"):
            continue
        alone = claim.id if claim.kind == "exists" else terms.dataset
        families[claim.section, claim.kind, alone, terms.proves_nothing].append(effect)
    return {
        id(effect): float(p)
        for family in families.values()
        for effect, p in zip(family, holm(np.array([effect.p for effect in family])), strict=True)
    }


def _over_all(claim: Claim, found: tuple[Verdict, ...]) -> Verdict:
    """One verdict from those of several data sets; what can decide nothing does not count beside what can."""
    counting = [one for one in found if _counts(one)] or list(found)
    if len(counting) == 1:
        return counting[0]
    if claim.kind == "exists" and (shown := [one for one in counting if one.state == "supported"]):
        where = [f"{one.claim.sides} on {one.evidence.terms.dataset}" for one in shown if one.evidence]
        return Verdict(claim, "supported", f"So for {'; and for '.join(where)}.")
    on = {one.evidence.terms.dataset: one.state for one in counting if one.evidence}
    states = {one.state for one in counting}
    if len(states) == 1:
        return Verdict(claim, counting[0].state, f"So on {' and '.join(on)}.")
    if claim.kind == "exists":
        return Verdict(claim, "inconclusive", "Not shown, and not excluded for all of them.")
    said = "; ".join(f"{state} on {dataset}" for dataset, state in on.items())
    return Verdict(claim, "inconclusive", f"{said[:1].upper()}{said[1:]}.")


def _counts(one: Verdict) -> bool:
    """Whether what a verdict rests on could decide anything."""
    found = one.evidence
    if found is None or found.terms.proves_nothing or one.state == "not tested":
        return False
    return found.votes
