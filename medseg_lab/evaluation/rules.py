"""By which rules evidence is called what: supported, not supported, inconclusive.

The rules, for the effect of the better side over the worse, its 95% interval, and a margin fixed beforehand:

| kind | supported | not supported |
| --- | --- | --- |
| superior | interval above 0, effect at least the margin, seeds agree, p < 0.05 | interval below the margin |
| non-inferior | interval above minus the margin | interval below minus the margin |
| equivalent | interval within plus and minus the margin | interval beyond either |

Here p is corrected (Holm). All else is inconclusive; so is what rests on one seed, on one patient, or on a
budget that tests nothing.
"""

from typing import Literal

import numpy as np

from medseg_lab.evaluation.effects import Effect, Terms
from medseg_lab.evaluation.wording import p_text

State = Literal["supported", "not supported", "inconclusive", "not run"]
STATES: tuple[State, ...] = ("supported", "not supported", "inconclusive", "not run")


def ruled(found: Effect, p: float) -> tuple[State, str]:
    """What an effect is called, and why.

    Args:
        found: both sides compared.
        p: the effect's p after correction.
    """
    if found.terms.proves_nothing:
        return "inconclusive", _proves_nothing(found.terms)
    if found.seeds < 2 and not found.claim.measure.exact:
        return "inconclusive", "One training each cannot tell methods apart."
    if np.isnan(found.low):
        return "inconclusive", "One patient cannot stand for others."
    margin = found.claim.measure.written(found.claim.margin, signed=False)
    if found.claim.kind == "superior":
        return _superior(found, p, margin)
    if found.claim.kind == "non-inferior":
        return _non_inferior(found, margin)
    return _equivalent(found, margin)


def _proves_nothing(terms: Terms) -> str:
    name = terms.budget[:1].upper() + terms.budget[1:]
    return f"{name} budget ({terms.steps} steps): proves that it runs, tests nothing."


def _superior(found: Effect, p: float, margin: str) -> tuple[State, str]:
    exact = found.claim.measure.exact
    if found.high < 0:
        return "not supported", "The difference goes the other way."
    if found.high < found.claim.margin:
        return "not supported", (
            f"It is less than {margin}, the smallest worth naming."
            if exact
            else f"An advantage of {margin}, the smallest worth naming, lies outside the interval."
        )
    if exact:
        return "supported", "Exact, so nothing is estimated."
    if found.low > 0 and found.value >= found.claim.margin and found.agree and p < 0.05:
        return "supported", f"Holm p {p_text(p)}."
    if found.low <= 0:
        return "inconclusive", "The interval holds zero."
    if not found.agree:
        return "inconclusive", "The seeds do not agree in sign."
    if not p < 0.05:
        return "inconclusive", f"Holm p {p_text(p)}."
    return "inconclusive", f"The effect is smaller than {margin}, and a larger one is not excluded."


def _non_inferior(found: Effect, margin: str) -> tuple[State, str]:
    if found.low > -found.claim.margin:
        return "supported", f"A loss of {margin} lies outside the interval."
    if found.high < -found.claim.margin:
        return "not supported", f"The loss is larger than {margin}."
    return "inconclusive", f"The interval holds a loss of {margin}."


def _equivalent(found: Effect, margin: str) -> tuple[State, str]:
    if -found.claim.margin < found.low and found.high < found.claim.margin:
        return "supported", f"A difference of {margin} either way lies outside the interval."
    if found.low > found.claim.margin or found.high < -found.claim.margin:
        return "not supported", f"The difference is larger than {margin}."
    return "inconclusive", f"The interval holds a difference of {margin}."
