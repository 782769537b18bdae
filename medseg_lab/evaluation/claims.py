"""What the ledger says of the survey's claims."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.evidence import evidence
from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.pairing import NothingToPairError
from medseg_lab.evaluation.significance import holm
from medseg_lab.evaluation.verdicts import Verdict, verdict
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.claims import claims as all_claims


@dataclass(frozen=True)
class Judgement:
    """A claim, what became of it on each data set, and over all of them.

    Args:
        verdict: over all data sets. Where they agree, theirs; where they do not, inconclusive.
        by_data: one verdict a data set on which both sides have runs, in the order of their ids.
    """

    verdict: Verdict
    by_data: tuple[Verdict, ...] = ()

    @property
    def claim(self) -> Claim:
        """The statement."""
        return self.verdict.claim


def judged(ledger: Ledger, claims: Iterable[Claim] | None = None) -> list[Judgement]:
    """The verdicts on claims, from the runs that both of a claim's sides have on the same terms.

    p values are corrected (Holm) over the claims of one section on one data set, apart from those whose
    budget tests nothing.

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
    effects: dict[str, list[Effect]] = {}
    missing: dict[str, str] = {}
    for claim in wanted:
        try:
            effects[claim.id] = evidence(ledger, claim, places)
        except NothingToPairError as reason:
            missing[claim.id] = str(reason)
    corrected = _corrected([effect for found in effects.values() for effect in found])
    judgements = []
    for claim in wanted:
        if claim.id in missing:
            judgements.append(Judgement(Verdict(claim, "not run", missing[claim.id])))
        else:
            found = tuple(verdict(effect, corrected[id(effect)]) for effect in effects[claim.id])
            judgements.append(Judgement(_over_all(found), found))
    return judgements


def _corrected(effects: list[Effect]) -> dict[int, float]:
    """Each effect's p, corrected over its family, by the effect's identity."""
    families: dict[tuple, list[Effect]] = defaultdict(list)
    for effect in effects:
        families[effect.claim.section, effect.terms.dataset, effect.terms.proves_nothing].append(effect)
    return {
        id(effect): float(p)
        for family in families.values()
        for effect, p in zip(family, holm(np.array([effect.p for effect in family])), strict=True)
    }


def _over_all(found: tuple[Verdict, ...]) -> Verdict:
    """One verdict from those of several data sets; what tests nothing does not count beside what does."""
    counting = [one for one in found if one.evidence and not one.evidence.terms.proves_nothing] or list(found)
    if len(counting) == 1:
        return counting[0]
    states = {one.state for one in counting}
    said = "; ".join(f"{one.state} on {one.evidence.terms.dataset}" for one in counting if one.evidence)
    if len(states) == 1:
        (state,) = states
        reason = f"So on {' and '.join(one.evidence.terms.dataset for one in counting if one.evidence)}."
        return Verdict(found[0].claim, state, reason)
    return Verdict(found[0].claim, "inconclusive", f"{said[:1].upper()}{said[1:]}.")
