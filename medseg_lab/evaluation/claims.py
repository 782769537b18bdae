"""What an experiment says of a claim of the survey."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg_lab.evaluation.comparison import Comparison, p_text
from medseg_lab.evaluation.metrics import TITLES
from medseg_lab.survey.claims import Claim

State = Literal["supported", "not supported", "inconclusive", "not run"]


@dataclass(frozen=True)
class Verdict:
    """A claim and what became of it.

    Args:
        claim: the statement.
        state: see `verdicts`.
        effect: how much better `claim.better` is than `claim.worse`, positive for better whatever the metric;
            NaN where it was not run.
        low, high: its 95% interval, NaN below two seeds.
        p: Holm-corrected over the claims that were judged together.
        seeds, cases: how many it rests on.
        reason: why the state is what it is.
    """

    claim: Claim
    state: State
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    seeds: int = 0
    cases: int = 0
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        return f"{self.state.capitalize()}: {self.evidence}"

    @property
    def evidence(self) -> str:
        """The two sides, the effect with its interval, seeds, cases, and the reason for the verdict."""
        sides = f"{self.claim.better} against {self.claim.worse}"
        if self.state == "not run":
            return f"{sides}. {self.reason}"
        said = f"{self.effect:+.3f} {TITLES[self.claim.metric]}"
        if self.seeds > 1:
            said += f" [{self.low:+.3f}, {self.high:+.3f}]"
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{sides} {said.replace('-', '−')}, {seeds}, {self.cases} cases. {self.reason}"

    def __str__(self) -> str:
        return self.sentence


def verdict(claim: Claim, comparison: Comparison | None, data: str | None = None) -> Verdict:
    """The verdict on one claim, by itself; see `verdicts`."""
    return verdicts([claim], comparison, data)[0]


def verdicts(
    claims: Iterable[Claim], comparison: Comparison | None, data: str | None = None
) -> list[Verdict]:
    """The verdicts on several claims, with their p values corrected together (Holm).

    A claim of superiority is supported if its interval lies above 0, the effect reaches the margin, the
    corrected p is below 0.05 and all seeds agree in sign. It is not supported if the interval lies below
    the margin: what effect there may be is not worth naming. A claim of non-inferiority is supported if its
    interval lies above minus the margin, not supported if below it. All else is inconclusive, and so is
    anything with one seed.

    Args:
        claims: what to judge.
        comparison: holds the sides by name; None where nothing was run.
        data: the data set's id, for claims that only some data can decide.
    """
    claims = list(claims)
    ran = [claim for claim in claims if not _missing(claim, comparison, data)]
    rows: dict[str, dict] = {}
    if ran and comparison is not None:
        table = comparison.paired([(claim.better, claim.worse) for claim in ran])
        rows = {claim.id: row for claim, row in zip(ran, table.to_dict("records"), strict=True)}
    found = []
    for claim in claims:
        if claim.id not in rows or comparison is None:
            found.append(Verdict(claim, "not run", reason=_missing(claim, comparison, data)))
        else:
            found.append(_judge(claim, rows[claim.id], comparison))
    return found


def _missing(claim: Claim, comparison: Comparison | None, data: str | None) -> str:
    """Why a claim cannot be judged by this comparison; "" if it can."""
    if comparison is None:
        return "There are no runs."
    if comparison.metric != claim.metric:
        return f"The claim is about {claim.metric}, the comparison about {comparison.metric}."
    if claim.data and data not in claim.data:
        return f"The claim is decided on {', '.join(claim.data)}."
    absent = [side for side in (claim.better, claim.worse) if side not in comparison.methods]
    return f"There are no runs of {' and '.join(absent)}." if absent else ""


def _judge(claim: Claim, row: dict, comparison: Comparison) -> Verdict:
    ends = (row["low"], row["high"])
    effect, low, high = row["mean"], *ends
    if comparison.lower_is_better:
        effect, low, high = -effect, -ends[1], -ends[0]
    seeds, cases = len(comparison.seeds), len(comparison.cases)
    evidence = Verdict(claim, "inconclusive", effect, low, high, row["holm"], seeds, cases)
    state, reason = _superior(evidence, row["agree"]) if claim.kind == "superior" else _non_inferior(evidence)
    if seeds < 2:
        state, reason = "inconclusive", "One training each cannot tell methods apart."
    elif np.isnan(low):
        state, reason = "inconclusive", "One patient cannot stand for others."
    return Verdict(claim, state, effect, low, high, row["holm"], seeds, cases, reason)


def _superior(found: Verdict, agree: bool) -> tuple[State, str]:
    margin = found.claim.margin
    if found.high < 0:
        return "not supported", "The difference goes the other way."
    if found.high < margin:
        return (
            "not supported",
            f"An advantage of {margin:g}, the smallest worth naming, lies outside the interval.",
        )
    if found.low > 0 and found.effect >= margin and agree and found.p < 0.05:
        return "supported", f"Holm p {p_text(found.p)}."
    if found.low <= 0:
        return "inconclusive", "The interval holds zero."
    if not agree:
        return "inconclusive", "The seeds do not agree in sign."
    if not found.p < 0.05:
        return "inconclusive", f"Holm p {p_text(found.p)}."
    return "inconclusive", f"The effect is smaller than {margin:g}, and a larger one is not excluded."


def _non_inferior(found: Verdict) -> tuple[State, str]:
    margin = found.claim.margin
    if found.low > -margin:
        return "supported", f"A loss of {margin:g} lies outside the interval."
    if found.high < -margin:
        return "not supported", f"The loss is larger than {margin:g}."
    return "inconclusive", f"The interval holds a loss of {margin:g}."
