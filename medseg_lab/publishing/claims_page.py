"""What the book's page of claims includes: the verdicts on the survey's statements, here and on record.

The page itself is `book/does_the_survey_hold.md`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.verdicts import MARKS, State
from medseg_lab.publishing.house import Chapter
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.record.verdicts import Judged, judged_here, judged_on_record, place_of
from medseg_lab.survey.methods import sections

STATE: dict[State, tuple[str, str]] = {
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
All runs *here* had the budget `smoke`: a few steps that prove that everything runs. They test nothing, and no
number under *here* says anything about a method.
```
"""

EMPTY = """\
```{note}
The store here has no runs that bear on a claim. Execute a chapter (`medseg run 2.1.1`) or a sweep, and build
the book again.
```
"""

UNRECORDED = """\
```{note}
There is nothing on record yet that bears on a claim. `medseg record add` puts finished runs there.
```
"""


def claims_page(chapters: Sequence[Chapter], ledger: Ledger) -> str:
    """The survey's claims, each with its verdict here and on record, its evidence, or what is missing.

    Args:
        chapters: those that are in the book, for links.
        ledger: the runs here; those on record are read from the usual place.
    """
    here, recorded = judged_here(ledger), judged_on_record()
    lines: list[str] = []
    if not (evidence := _evidence(here)):
        lines.append(EMPTY)
    elif all(one.terms.proves_nothing for one in evidence):
        lines.append(SMOKE)
    if not _evidence(recorded):
        lines.append(UNRECORDED)
    counts: list[Counter[str]] = [
        Counter(one.verdict.state for one in its.values()) for its in (here, recorded)
    ]
    summary = [
        (_badge(state), *(str(of[state]) for of in counts), meaning) for state, (_, meaning) in STATE.items()
    ]
    lines += ["## In short", "", table(("Verdict", "Here", "On record", "Meaning"), summary)]
    titles = {section.id: section.title for section in sections()}
    documents = {chapter.section: f"/{_document(chapter)}" for chapter in chapters}
    for section, group in groupby(here, key=lambda name: here[name].judgement.claim.section):
        lines += ["", f"## {section} {titles[section]}"]
        if section in documents:
            lines += ["", f"The chapter: {{doc}}`{documents[section]}`."]
        for name in group:
            lines += ["", *_claim(here[name], recorded[name])]
    return "\n".join([*lines, ""])


def _evidence(found: Mapping[str, Judged]) -> list[Effect]:
    return [one.evidence for its in found.values() for one in its.judgement.by_data if one.evidence]


def _claim(here: Judged, recorded: Judged) -> list[str]:
    """The statement, then what the runs here and those on record say of it, a bullet each."""
    claim = here.judgement.claim
    said = [f"**{escape(claim.statement)}**{' *Ours, not the survey’s.*' if claim.own else ''}", ""]
    if here.by_data or recorded.by_data or here.verdict.reason != recorded.verdict.reason:
        return [*said, *_source("Here", here), *_source("On record", recorded)]
    return [*said, *_source("" if claim.identity else "Here and on record", here)]


def _source(name: str, found: Judged) -> list[str]:
    """One bullet; where there are several data sets, one below it for each."""
    head = f"- {name + ' ' if name else ''}{_badge(found.verdict.state)}"
    if not found.by_data:
        return [f"{head} *{escape(found.verdict.reason)}*"]
    lines = [
        f"{escape(one.claim.sides)}: **{escape(one.finding)}** ({escape(place_of(one, basis))}). "
        f"{escape(one.because)}"
        for one, basis in found.by_data
    ]
    if len(lines) == 1:
        return [f"{head} {lines[0]}"]
    marks = [MARKS[one.state] for one, _ in found.by_data]
    return [head, *(f"  - {mark} {line}" for mark, line in zip(marks, lines, strict=True))]


def _badge(state: State) -> str:
    return f"{{{STATE[state][0]}}}`{MARKS[state]} {state}`"


def _document(chapter: Chapter) -> str:
    """The page of a chapter, as Sphinx calls it."""
    path = chapter.path
    return path.stem if path.parent.name == "notebooks" else f"{path.parent.name}/{path.stem}"
