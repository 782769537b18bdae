"""Verdicts on the survey's claims: supported, not supported, inconclusive.

The rules, for the effect of the better side over the worse, its 95% interval, and a margin fixed beforehand:

| kind | supported | not supported |
| --- | --- | --- |
| superior | interval above 0, effect at least the margin, seeds agree, p < 0.05 | interval below the margin |
| non-inferior | interval above minus the margin | interval below minus the margin |
| equivalent | interval within plus and minus the margin | interval beyond either |

Here p is corrected (Holm). All else is inconclusive; so is what rests on one seed, on one patient, or on a
budget that tests nothing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.wording import counted, joined, p_text
from medseg_lab.survey.claims import Claim

State = Literal["supported", "not supported", "inconclusive", "not run"]
STATES: tuple[State, ...] = ("supported", "not supported", "inconclusive", "not run")
MARKS = {"supported": "✓", "not supported": "✗", "inconclusive": "?", "not run": "–"}


@dataclass(frozen=True)
class Verdict:
    """A claim and what the runs say of it.

    Args:
        claim: the statement.
        state: by the rules of this module; "not run" where there is no evidence.
        reason: why the state is what it is.
        evidence: the effect it rests on; None where there is none, or where several data sets are summed up.
        p: Holm-corrected over the claims of one section on one data set.
    """

    claim: Claim
    state: State
    reason: str
    evidence: Effect | None = None
    p: float = float("nan")

    @property
    def effect(self) -> str:
        """The effect with its interval, as printed: "+0.050 [+0.031, +0.068]"; "" where there is none."""
        found = self.evidence
        if found is None:
            return ""
        said = self.claim.measure.written(found.value)
        if np.isnan(found.low) or found.seeds < 2 or self.claim.measure.exact:
            return said
        return f"{said} [{self.claim.measure.written(found.low)}, {self.claim.measure.written(found.high)}]"

    @property
    def finding(self) -> str:
        """The effect with its metric: "Dice +0.050 [+0.031, +0.068]", "training time lower by +12% [...]"."""
        if self.evidence is None:
            return ""
        way = " lower by" if self.claim.direction == "lower" else ""
        return f"{self.claim.measure.title}{way} {self.effect}"

    @property
    def place(self) -> str:
        """Where it was found: "virtual-brain, class budget, 8 patients labelled, 2 seeds, 10 test cases"."""
        if self.evidence is None:
            return ""
        terms = self.evidence.terms
        labelled = joined([str(number) for number in dict.fromkeys(terms.labelled)])
        return f"{terms.dataset}, {terms.budget} budget, {labelled} patients labelled, {self.numbers}"

    @property
    def numbers(self) -> str:
        """How many seeds and cases it rests on; "" where there is no evidence."""
        if self.evidence is None:
            return ""
        seeds = "one seed" if self.evidence.seeds == 1 else f"{self.evidence.seeds} seeds"
        if not self.evidence.cases:
            return seeds
        return f"{seeds}, {counted(self.evidence.cases, f'{self.evidence.terms.part} case')}"

    @property
    def detail(self) -> str:
        """The two sides, the effect with its interval, what it rests on, and the reason for the verdict."""
        if self.evidence is None:
            return f"{self.claim.sides}. {self.reason}"
        return f"{self.claim.sides}: {self.finding}, {self.numbers}. {self.reason}"

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        return f"{self.state.capitalize()}: {self.detail}"

    def __str__(self) -> str:
        return self.sentence


def verdict(found: Effect, p: float) -> Verdict:
    """The verdict on one effect.

    Args:
        found: both sides compared.
        p: the effect's p after correction.
    """
    state, reason = _ruled(found, p)
    return Verdict(found.claim, state, reason, found, p)


def _ruled(found: Effect, p: float) -> tuple[State, str]:
    """The state, and why."""
    terms, claim = found.terms, found.claim
    if terms.proves_nothing:
        name = terms.budget[:1].upper() + terms.budget[1:]
        return "inconclusive", f"{name} budget ({terms.steps} steps): proves that it runs, tests nothing."
    if found.seeds < 2 and not claim.measure.exact:
        return "inconclusive", "One training of each cannot tell methods apart."
    if np.isnan(found.low):
        return "inconclusive", "One patient cannot stand for others."
    margin = claim.measure.written(claim.margin, signed=False)
    if claim.kind == "superior":
        return _superior(found, p, margin)
    if claim.kind == "non-inferior":
        if found.low > -claim.margin:
            return "supported", f"A loss of {margin} is outside the interval."
        if found.high < -claim.margin:
            return "not supported", f"The loss is larger than {margin}."
        return "inconclusive", f"The interval includes a loss of {margin}."
    if -claim.margin < found.low and found.high < claim.margin:
        return "supported", f"A difference of {margin} either way is outside the interval."
    if found.low > claim.margin or found.high < -claim.margin:
        return "not supported", f"The difference is larger than {margin}."
    return "inconclusive", f"The interval includes a difference of {margin}."


def _superior(found: Effect, p: float, margin: str) -> tuple[State, str]:
    exact = found.claim.measure.exact
    if found.high < 0:
        return "not supported", "The difference goes the other way."
    if found.high < found.claim.margin:
        return "not supported", (
            f"It is less than {margin}, the smallest worth naming."
            if exact
            else f"An advantage of {margin}, the smallest worth naming, is outside the interval."
        )
    if exact:
        return "supported", "Exact, so nothing is estimated."
    if found.low <= 0:
        return "inconclusive", "The interval includes zero."
    if not found.agree:
        return "inconclusive", "The seeds do not agree in sign."
    if not p < 0.05:
        return "inconclusive", f"Holm p {p_text(p)}."
    if found.value < found.claim.margin:
        return "inconclusive", f"The effect is smaller than {margin}, and a larger one is not excluded."
    return "supported", f"Holm p {p_text(p)}."
