"""The tables of the book's page of claims: the verdicts of the ledger's runs on the survey's statements.

The page itself is `book/claims.md`, which includes them.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from medseg_lab.evaluation.claims import Judgement, judged
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.verdicts import MARKS
from medseg_lab.publishing.house import Chapter
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.survey.methods import sections

STATE = {
    "supported": (
        "bdg-success",
        "the runs support it, by the rule and the margin that were fixed beforehand",
    ),
    "not supported": (
        "bdg-danger",
        "the runs contradict it: the difference is ruled out, or smaller than the margin",
    ),
    "inconclusive": ("bdg-warning", "the runs cannot decide, or the data sets do not agree"),
    "not tested": (
        "bdg-info",
        "the runs could not have decided: the idea did not act, or there was no gap to close",
    ),
    "not run": ("bdg-muted-line", "one side or both have no runs; what is missing is named"),
}
"""Each state's badge, and what it means."""

SMOKE = """\
```{warning}
All evidence on this page comes from the `smoke` budget: a few steps that prove that everything runs. They
test nothing, and no number below says anything about a method.
```
"""

EMPTY = """\
```{note}
The store has no runs that bear on a claim. Execute a chapter (`medseg run 2.1.1`) or a sweep, and build the
book again.
```
"""


def claims_page(chapters: Sequence[Chapter], ledger: Ledger) -> str:
    """The survey's claims, each with its verdict, its evidence, or what is missing.

    Args:
        chapters: those that are in the book, for links.
        ledger: the runs that decide.
    """
    found = judged(ledger)
    lines: list[str] = []
    evidence = [one.evidence for judgement in found for one in judgement.by_data if one.evidence]
    if not evidence:
        lines.append(EMPTY)
    elif all(one.terms.proves_nothing for one in evidence):
        lines.append(SMOKE)
    counts: Counter[str] = Counter(one.verdict.state for one in found)
    summary = [(_badge(state), str(counts[state]), meaning) for state, (_, meaning) in STATE.items()]
    lines += ["## In short", "", table(("Verdict", "Claims", "Meaning"), summary)]
    titles = {section.id: section.title for section in sections()}
    documents = {chapter.section: f"/{_document(chapter)}" for chapter in chapters}
    for section, group in groupby(found, key=lambda one: one.claim.section):
        lines += ["", f"## {section} {titles[section]}", ""]
        if section in documents:
            lines += [f"The chapter: {{doc}}`{documents[section]}`.", ""]
        rows = [(_badge(one.verdict.state), _said(one)) for one in group]
        lines.append(table(("Verdict", "What the survey says, and what the runs say"), rows))
    return "\n".join([*lines, ""])


def _said(found: Judgement) -> str:
    """The statement, then its evidence or why there is none."""
    said = [f"{escape(found.claim.statement)}{' *(ours, not the survey’s)*' if found.claim.own else ''}"]
    if not found.by_data:
        said.append(f"*{escape(found.verdict.reason)}*")
    for one in found.by_data:
        mark = f"{MARKS[one.state]} " if len(found.by_data) > 1 else ""
        sides, finding, place = escape(one.claim.sides), escape(one.finding), escape(one.place)
        said.append(f"{mark}{sides}: **{finding}** ({place}). {escape(one.because)}")
    return "<br>".join(said)


def _badge(state: str) -> str:
    return f"{{{STATE[state][0]}}}`{MARKS[state]} {state}`"


def _document(chapter: Chapter) -> str:
    """The page of a chapter, as Sphinx calls it."""
    path = chapter.path
    return path.stem if path.parent.name == "notebooks" else f"{path.parent.name}/{path.stem}"
