"""Verdicts on the survey's claims: supported, not supported, inconclusive, not tested, not run.

The rules, for the effect of the better side over the worse, its 95% interval, and a margin fixed beforehand.
Interval and p are those of one model in which trainings and patients vary (`medseg_lab.evaluation.crossed`):

| kind | supported: three seeds or more, and | not supported: two seeds or more, and |
| --- | --- | --- |
| superior | p < 0.05, effect at least the margin | interval below the margin |
| non-inferior | interval above minus the margin | interval below minus the margin |
| equivalent | interval within plus and minus the margin | interval beyond either |
| exists | superior for one method on one data set | for none, by the rule of superior for each |

Here p is corrected (Holm): over the superiority claims of one section on one data set; of a claim that
something exists, over its own methods and data sets. The interval is not corrected. Two seeds may refute,
since their interval is as long as two seeds deserve (`crossed` has its coverage); that a lead can be repeated
takes a third. An exact measure needs neither, and an identity is proved by a test.

*Not tested* is what could not have come out otherwise: the idea did not act (`Claim.acts`), or there was no
gap for any method to close (`Claim.gap`): three margins, surely above 0. All else is inconclusive; so is what
rests on one seed, on one patient, or on a budget that tests nothing. A data set with fewer than six patients
decides nothing: were a method ahead on each of five, chance alone would do as much in one of 16 experiments.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.pairing import ENOUGH
from medseg_lab.evaluation.wording import joined, p_text
from medseg_lab.survey.claims import Claim

State = Literal["supported", "not supported", "inconclusive", "not tested", "not run"]
MARKS = {
    "supported": "✓",
    "not supported": "✗",
    "inconclusive": "?",
    "not tested": "○",
    "not run": "–",
}
STATES = tuple(MARKS)
GAP = 3
"""Margins that there are to be between floor and ceiling."""
MATCHED = {
    "FLOPs": "The two sides cost about the same number of operations.",
    "parameters": "The two sides have about the same number of parameters.",
    "nothing": "The two sides are matched neither in operations nor in parameters.",
}


@dataclass(frozen=True)
class Verdict:
    """A claim and what the runs say of it.

    Args:
        claim: the statement.
        state: by the rules of this module; "not run" where there is no evidence.
        reason: why the state is what it is.
        evidence: the effect it rests on; None where there is none, or where several data sets are summed up.
        p: Holm-corrected; NaN where the claim's kind needs none.
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
        said = _amount(found, found.value)
        if np.isnan(found.low) or self.claim.measure.exact:
            return said
        ends = sorted((found.low, found.high), key=lambda end: _factor(found, end))
        low, high = (_amount(found, end) for end in ends)
        return f"{said} [{low}, {high}]"

    @property
    def finding(self) -> str:
        """The effect with its metric: "Dice +0.050 [+0.031, +0.068]"; of a measure of runs, as a factor."""
        if self.evidence is None:
            return ""
        if self.claim.measure.per == "run":
            said, _, ends = self.effect.partition(" ")
            return f"{self.claim.measure.title}: {said} times as much{' ' if ends else ''}{ends}"
        way = " lower by" if self.claim.direction == "lower" else ""
        return f"{self.claim.measure.title}{way} {self.effect}"

    @property
    def place(self) -> str:
        """Where it was found: "virtual-brain, class budget, 8 patients labelled, 2 seeds, 10 test cases"."""
        if self.evidence is None:
            return ""
        terms = self.evidence.terms
        labelled = joined([str(number) for number in dict.fromkeys(terms.labelled)])
        patients = "patient" if set(terms.labelled) == {1} else "patients"
        return f"{terms.dataset}, {terms.budget} budget, {labelled} {patients} labelled, {self.numbers}"

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
    def because(self) -> str:
        """The reason, then what else is to be known: activity, gap, what was matched, voxels seen."""
        return " ".join([self.reason, *self._notes])

    @property
    def detail(self) -> str:
        """The two sides, the effect with its interval, what it rests on, and the reason for the verdict."""
        if self.evidence is None:
            return f"{self.claim.sides}. {self.reason}" if self.claim.sides else self.reason
        return f"{self.claim.sides}: {self.finding}, {self.numbers}. {self.because}"

    @property
    def sentence(self) -> str:
        """The verdict in words, with its evidence."""
        return f"{self.state.capitalize()}: {self.detail}"

    def __str__(self) -> str:
        return self.sentence

    @property
    def _notes(self) -> list[str]:
        found, claim = self.evidence, self.claim
        if found is None:
            return []
        notes = []
        if found.among > 1 and claim.worse:
            notes.append(f"{claim.worse.name} is the best of {found.among}.")
        if claim.acts and not np.isnan(found.activity):
            acted = "acted" if claim.acts.shown_by(found.activity) else "did not act"
            notes.append(f"The idea {acted}: {claim.acts.written(found.activity)}.")
        if found.gap and claim.gap:
            notes.append(f"Gap to {claim.gap}: {_interval(found.gap)}.")
        if claim.matched:
            notes.append(MATCHED[claim.matched])
        if found.seen and found.seen[0] != found.seen[1]:
            notes.append("Voxels that a step held: {:,} and {:,}.".format(*found.seen))
        return notes


def verdict(found: Effect, p: float = float("nan")) -> Verdict:
    """The verdict on one effect.

    Args:
        found: both sides compared.
        p: the effect's p after correction.
    """
    state, reason = _ruled(found, p)
    return Verdict(found.claim, state, reason, found, p)


def untested(found: Effect) -> str:
    """Why the claim was not tested, as a sentence; "" where it was."""
    acts, gap, needed = found.claim.acts, found.claim.gap, GAP * found.margin
    if acts and np.isnan(found.activity):
        return f"Whether the idea acted is not known: {acts.noted or acts.measure} was not measured."
    if acts and not acts.shown_by(found.activity):
        return f"{acts.noted or acts.measure} was to be {acts.wanted}."
    if not gap or np.isnan(found.low):
        return ""
    if found.gap is None or np.isnan(found.gap.low):
        return f"Whether there is a gap to close is not known: too few runs of {gap} on these terms."
    if found.gap.value < needed or found.gap.low <= 0:
        least = found.claim.measure.written(needed).lstrip("+")
        return f"No gap to close: it is to be at least {least} ({GAP} margins), and surely above 0."
    return ""


def _ruled(found: Effect, p: float) -> tuple[State, str]:
    """The state, and why."""
    terms, claim, exact = found.terms, found.claim, found.claim.measure.exact
    if terms.proves_nothing:
        name = terms.budget[:1].upper() + terms.budget[1:]
        return "inconclusive", f"{name} budget ({terms.steps} steps): proves that it runs, tests nothing."
    if reason := untested(found):
        return "not tested", reason
    if found.seeds < 2 and not exact:
        return "inconclusive", "One training of each cannot tell methods apart."
    if np.isnan(found.low):
        return "inconclusive", "One patient cannot stand for others."
    if not found.votes:
        return "inconclusive", (
            f"{found.patients} patients: no p below 0.05 can be reached, so this data set decides nothing."
        )
    if claim.margin_share is not None and not found.margin:
        return "inconclusive", "The other side's mean is 0, so there is nothing to take a share of."
    state, reason = _by_kind(found, p)
    if state == "supported" and found.among < found.of:
        return (
            "inconclusive",
            f"{reason} Only {found.among} of {found.of} methods were compared on these terms.",
        )
    if state == "supported" and found.seeds < ENOUGH and not exact:
        return "inconclusive", f"{reason} Two seeds cannot support a claim; {ENOUGH} can."
    return state, reason


def _by_kind(found: Effect, p: float) -> tuple[State, str]:
    """By the table of this module, whatever the number of seeds."""
    kind, least, margin = found.claim.kind, found.margin, _margin(found)
    if kind in ("superior", "exists"):
        return _superior(found, p, margin)
    if kind == "non-inferior":
        if found.low > -least:
            return "supported", f"A loss of {margin} is outside the interval."
        if found.high < -least:
            return "not supported", f"The loss is larger than {margin}."
        return "inconclusive", f"The interval includes a loss of {margin}."
    if -least < found.low and found.high < least:
        return "supported", f"A difference of {margin} either way is outside the interval."
    if found.low > least or found.high < -least:
        return "not supported", f"The difference is larger than {margin}."
    return "inconclusive", f"The interval includes a difference of {margin}."


def _superior(found: Effect, p: float, margin: str) -> tuple[State, str]:
    exact = found.claim.measure.exact
    if found.high < 0:
        return "not supported", "The difference goes the other way."
    if found.high < found.margin:
        return "not supported", (
            f"It is less than {margin}, the smallest worth naming."
            if exact
            else f"An advantage of {margin}, the smallest worth naming, is outside the interval."
        )
    if exact:
        return "supported", "Counted, so nothing is estimated."
    if found.low <= 0:
        return "inconclusive", "The interval includes zero."
    if not p < 0.05:
        return "inconclusive", f"Holm p {p_text(p)}."
    if found.value < found.margin:
        return "inconclusive", f"The effect is smaller than {margin}, and a larger one is not excluded."
    return "supported", f"Holm p {p_text(p)}."


def _margin(found: Effect) -> str:
    """The margin as it is printed: "0.01"; of a relative one both, "0.0051 (15% of the other side's)"."""
    claim = found.claim
    if claim.margin_share is None:
        return claim.smallest
    return f"{claim.measure.written(found.margin).lstrip('+')} ({claim.smallest} of the other side's)"


def _interval(found: Effect) -> str:
    said = found.claim.measure.written(found.value)
    if np.isnan(found.low):
        return said
    return f"{said} [{found.claim.measure.written(found.low)}, {found.claim.measure.written(found.high)}]"


def _factor(found: Effect, amount: float) -> float:
    """For a measure of runs, how many times as much as the other side; else the amount."""
    if found.claim.measure.per == "case":
        return amount
    return 1 - amount if found.claim.direction == "lower" else 1 + amount


def _amount(found: Effect, amount: float) -> str:
    """An effect, or an end of its interval, as it is printed; a factor with three digits at most."""
    if found.claim.measure.per == "case":
        return found.claim.measure.written(amount)
    factor = _factor(found, amount)
    if factor < 0.005 or factor > 1000:
        return "<0.01" if factor < 1 else ">1000"
    return f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"
