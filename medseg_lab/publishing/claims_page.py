"""The book's page of claims: what the runs of the ledger say of the survey's statements."""

from collections.abc import Sequence
from itertools import groupby

from medseg_lab.evaluation.claims import Judgement, judged
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.verdicts import MARKS, STATES, Verdict
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.survey.methods import sections

BADGES = {
    "supported": "bdg-success",
    "not supported": "bdg-danger",
    "inconclusive": "bdg-warning",
    "not run": "bdg-muted-line",
}
MEANING = {
    "supported": "the runs bear it out, by the rule and the margin that were fixed beforehand",
    "not supported": "the runs speak against it: what it says is ruled out, or is too small to be named",
    "inconclusive": "the runs cannot tell, or the data sets do not agree",
    "not run": "one side or both have no runs; what is missing is named",
}

INTRODUCTION = """\
# Does the survey hold?

The survey {cite}`survey` makes statements. Those that an experiment can test are listed here, in the words
of this book: each as two sides, a measure that decides, and the smallest difference worth naming, all of
them fixed before anything ran. What follows from the runs in the store was computed when this book was
built; no verdict is written by hand.

A **verdict** rests on runs of both sides on the same cases, under the same budget, scored in the same way,
paired by case and seed. The effect is positive where the survey's side is ahead; brackets hold its 95%
interval over seeds and cases. Each claim is held to the largest budget that both sides have, and to the
test part where it was scored. The p values are corrected (Holm) over the claims of one section on one data
set.

A verdict is **not** a judgement of a method. It holds for these implementations, on this data, with so many
labels, steps and cases; the papers had others. Virtual subjects share one anatomy, so that what holds on
them need not hold on people. {doc}`design` says more of the protocol; `medseg claims --details` prints this
page for one's own runs.
"""

SMOKE = """\
```{warning}
All evidence on this page comes from the `smoke` budget: a few steps that prove that everything runs. They
test nothing, and no number below says anything about a method.
```
"""

EMPTY = """\
```{note}
The store of runs has nothing that bears on a claim. Execute a chapter (`medseg run 2.1.1`) or a sweep, and
build the book again.
```
"""


def claims_page(executed: Sequence[Executed], ledger: Ledger) -> str:
    """The survey's claims, each with its verdict, its evidence, or what is missing.

    Args:
        executed: the chapters of the book, for links.
        ledger: the runs that decide.
    """
    found = judged(ledger)
    lines = [INTRODUCTION]
    evidence = [one.evidence for judgement in found for one in judgement.by_data if one.evidence]
    if not evidence:
        lines.append(EMPTY)
    elif all(one.terms.proves_nothing for one in evidence):
        lines.append(SMOKE)
    lines += ["## In short", "", *table(("Verdict", "Claims", "Meaning"), _summary(found))]
    titles = {section.id: section.title for section in sections()}
    chapters = {item.record.section: f"/{_document(item)}" for item in executed}
    for section, group in groupby(found, key=lambda one: one.claim.section):
        lines += ["", f"## {section} {titles[section]}", ""]
        if section in chapters:
            lines += [f"The chapter: {{doc}}`{chapters[section]}`.", ""]
        lines += table(("Verdict", "What the survey says, and what the runs say"), map(_row, group))
    return "\n".join([*lines, ""])


def _summary(found: Sequence[Judgement]) -> list[tuple[str, str, str]]:
    counts = {state: sum(one.verdict.state == state for one in found) for state in STATES}
    return [(_badge(state), str(number), MEANING[state]) for state, number in counts.items()]


def _row(found: Judgement) -> tuple[str, str]:
    """The badge; the statement, then its evidence or why there is none."""
    said = [escape(found.claim.statement)]
    if not found.by_data:
        said.append(f"*{escape(found.verdict.reason)}*")
    several = len(found.by_data) > 1
    for one in found.by_data:
        said.append(f"{f'{MARKS[one.state]} ' if several else ''}{_evidence(one)}")
    return _badge(found.verdict.state), "<br>".join(said)


def _evidence(verdict: Verdict) -> str:
    sides, finding, place = verdict.claim.sides, verdict.finding, verdict.place
    return f"{escape(sides)}: **{escape(finding)}** ({escape(place)}). {escape(verdict.reason)}"


def _badge(state: str) -> str:
    return f"{{{BADGES[state]}}}`{MARKS[state]} {state}`"


def _document(item: Executed) -> str:
    """The page of a chapter, as Sphinx calls it."""
    path = item.chapter.path
    return path.stem if path.parent.name == "notebooks" else f"{path.parent.name}/{path.stem}"
