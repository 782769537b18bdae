"""What became of the survey's claims, on a page."""

from collections.abc import Sequence

from medseg_lab.evaluation.verdicts import MARKS, Verdict
from medseg_lab.show.page import escape, show

BOX = "border:1px solid #8886;border-left:5px solid #8a9bab;padding:.5em 1em;margin:.6em 0"
BADGE = "border:1px solid currentColor;border-radius:4px;padding:0 .5em;font-weight:600;white-space:nowrap"


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Display claims with their verdicts and the evidence: effect, interval, seeds, cases."""
    show("".join(map(_box, verdicts)), "\n".join(f"{v.claim.statement} {v.sentence}" for v in verdicts))


def _box(verdict: Verdict) -> str:
    badge = f'<span style="{BADGE}">{MARKS[verdict.state]} {escape(verdict.state)}</span>'
    return (
        f'<div style="{BOX}"><em>{escape(verdict.claim.statement)}</em><br>{badge} '
        f'<span style="font-size:.93em">{escape(verdict.detail)}</span></div>'
    )
