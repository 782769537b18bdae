"""What the book's closing page includes: verdicts on the survey's statements, here and on record, and errata.

The page itself is `book/does_the_survey_hold.md`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from medseg_lab.evaluation.effects import Effect
from medseg_lab.evaluation.verdicts import MARKS, State
from medseg_lab.publishing.house import Chapter
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.publishing.places import to_cell, to_chapter
from medseg_lab.record.verdicts import Judged, place_of
from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configuration
from medseg_lab.survey.counterparts import Erratum, errata
from medseg_lab.survey.methods import Section, method, methods, sections
from medseg_lab.survey.paths import needs

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

ERRATA = """\
What the survey prints, and what is right, as far as we have seen. Each can be checked by what stands beside
it. Chapters and library have the correct form.
"""

KINDS = {
    "formula": "Equations and formulas",
    "name": "Names of methods",
    "reference": "Whose work, where and when",
}


def claims_pages(
    chapters: Sequence[Chapter], here: Mapping[str, Judged], recorded: Mapping[str, Judged]
) -> dict[str, str]:
    """What the closing page includes, by file: how many claims there are and what became of them, and each.

    Section by section, each claim has its verdict here and on record, its evidence, or what is missing; then
    come the errata.

    Args:
        chapters: those that are in the book, for links.
        here, recorded: all claims, judged by the runs here and by those on record.
    """
    lines: list[str] = []
    if not (evidence := _evidence(here)):
        lines.append(EMPTY)
    elif all(one.terms.proves_nothing for one in evidence):
        lines.append(SMOKE)
    if not _evidence(recorded):
        lines.append(UNRECORDED)
    top = "\n".join([*lines, "## In short", "", *_in_short(here, recorded), ""])
    lines = []
    for section in sections():
        level = "##" if len(section.id) == 1 else "###"
        lines += ["", f"{level} {section.id} {section.title}", ""]
        names = [name for name, one in here.items() if one.judgement.claim.section == section.id]
        links = [to_chapter(one, chapters) for one in chapters_of(section, chapters)]
        if links:
            lines += [f"The chapter{'s' * (len(links) > 1)}: {' and '.join(links)}.", ""]
        lines += [] if names else [_without_claims(section)]
        for name in names:
            lines += ["", *_claim(here[name], recorded[name])]
    return {"_in_short.md": top, "_claims.md": "\n".join([*lines, "", *_errata(chapters), ""])}


def _in_short(here: Mapping[str, Judged], recorded: Mapping[str, Judged]) -> list[str]:
    """How many claims there are, and what became of them: by verdict, then by part of the survey."""
    counts = [Counter(one.verdict.state for one in its.values()) for its in (here, recorded)]
    own = sum(one.judgement.claim.own for one in here.values())
    exact = sum(bool(one.judgement.claim.identity) for one in here.values())
    verdicts = [
        (f"{_badge(state)}<br>{meaning}", *(str(of[state]) for of in counts))
        for state, (_, meaning) in STATE.items()
    ]
    decided = ", ".join(f"{counts[1][state]} {state}" for state in STATE if counts[1][state])
    parts: dict[str, Counter[State]] = {}
    for one in recorded.values():
        parts.setdefault(one.judgement.claim.section[0], Counter())[one.verdict.state] += 1
    titles = {section.id: section.title for section in sections()}
    rows = [
        (f"{part} {titles[part]}", f"{of.total()}", *(f"{of[state] or '–'}" for state in STATE))
        for part, of in sorted(parts.items())
    ]
    return [
        f"**{len(here)} statements**: {len(here) - own} are the survey’s, and {own} are ours: what else "
        "could explain an effect, or what the survey leaves open. "
        f"{exact} of them are identities, which a test proves. On record: {decided}.",
        "",
        table(("Verdict, and its meaning", "Here", "On record"), verdicts),
        "",
        "By part of the survey, on record, with the marks of the table above:",
        "",
        table(("Part", "Statements", *(MARKS[state] for state in STATE)), rows),
    ]


def chapters_of(section: Section, chapters: Sequence[Chapter]) -> list[str]:
    """The chapters in the book on a section: its own, else those of its methods, else those of its claims."""
    about = [claim for claim in claims() if claim.section == section.id]
    asked = (
        [section.id],
        [one.chapter for one in methods() if one.section == section.id],
        [method(configuration(name).method).chapter for claim in about for name in claim.methods],
    )
    known = ([name for name in dict.fromkeys(names) if name in needs()] for names in asked)
    there = [chapter.section for chapter in chapters]
    return [name for name in next(filter(None, known), []) if name in there]


def _without_claims(section: Section) -> str:
    """What to say of a section that has no claim."""
    inside = [claim for claim in claims() if claim.section.startswith(section.id)]
    if inside:
        return "Its statements are those of the sections below."
    return "No statement of this section is put to the test."


def _errata(chapters: Sequence[Chapter]) -> list[str]:
    """What the survey prints wrongly, kind by kind."""
    lines = ["## Errata", "", ERRATA]
    for kind, title in KINDS.items():
        lines += ["", f"### {title}", ""]
        lines += [_erratum(one, chapters) for one in errata() if one.kind == kind]
    return lines


def _erratum(one: Erratum, chapters: Sequence[Chapter]) -> str:
    right = one.right if one.right.endswith(".") else f"{one.right}."
    said = f"- **{one.place}.** Printed: {one.printed}; right: {right} {one.why}"
    links = [to_cell(one.chapter, one.cell, chapters, f"chapter {one.chapter}")] if one.cell else []
    links += [f"`{one.code}`"] if one.code else []
    return f"{said} ({', '.join(links)})" if links else said


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
