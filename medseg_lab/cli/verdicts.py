"""Verdicts on claims as a table on the terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from medseg_lab.evaluation.claims import Judgement
from medseg_lab.evaluation.verdicts import MARKS, STATES, Verdict

STYLES = {"supported": "green", "not supported": "red", "inconclusive": "yellow", "not run": "dim"}


def verdict_table(title: str, found: Sequence[Judgement], details: bool) -> Table:
    """One row a claim; a line of evidence for each data set, and with details sides, margin and reasons."""
    table = Table(title=Text(title, style="italic"), title_justify="left")
    table.add_column("section")
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim, and what the runs say")
    sections = [one.claim.section for one in found]
    for one, section, following in zip(found, sections, [*sections[1:], ""], strict=True):
        table.add_row(section, _verdict(one.verdict), _said(one, details), end_section=section != following)
    return table


def _verdict(verdict: Verdict) -> Text:
    return Text(f"{MARKS[verdict.state]} {verdict.state}", style=STYLES[verdict.state])


def _said(found: Judgement, details: bool) -> Text:
    """The statement, a line for each data set; with details also sides, margin and reasons."""
    claim, verdict = found.claim, found.verdict
    several = len(found.by_data) > 1
    text = Text(claim.statement)
    for one in found.by_data:
        text.append(f"\n{MARKS[one.state] + ' ' if several else ''}{one.finding}: {one.place}", style="bold")
        if details and several:
            text.append(f"\n{one.reason}", style="dim")
    if details:
        kind = "" if claim.kind == "superior" else f", {claim.kind}"
        margin = claim.measure.written(claim.margin, signed=False)
        text.append(f"\n{claim.sides}; {claim.measure.title}, margin {margin}{kind}", style="dim")
        text.append(f"\n{verdict.reason}", style="dim")
    return text


def tally(found: Sequence[Judgement]) -> str:
    """ "2 supported, 1 inconclusive": the states that occur, in their order."""
    counts = {state: sum(one.verdict.state == state for one in found) for state in STATES}
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number)
