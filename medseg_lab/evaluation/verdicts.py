"""A claim of the survey and what became of it, in words and numbers."""

from dataclasses import dataclass

import numpy as np

from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.rules import State, ruled
from medseg_lab.evaluation.wording import counted
from medseg_lab.survey.claims import Claim

MARKS = {"supported": "✓", "not supported": "✗", "inconclusive": "?", "not run": "–"}


@dataclass(frozen=True)
class Verdict:
    """A claim and what became of it.

    Args:
        claim: the statement.
        state: see `medseg_lab.evaluation.rules`.
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
        labelled = " and ".join(map(str, dict.fromkeys(terms.labelled)))
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
    state, reason = ruled(found, p)
    return Verdict(found.claim, state, reason, found, p)
