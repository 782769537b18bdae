"""A generated page: the survey's figures, equations and its table, each with the cell that shows it."""

from collections.abc import Mapping, Sequence

from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.publishing.house import Chapter
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.publishing.places import to_cell, to_chapter
from medseg_lab.record.store import read_record
from medseg_lab.record.verdicts import Judged
from medseg_lab.show.families_table import CAPTION, families_rows
from medseg_lab.survey.counterparts import Equation, Figure, Place, equations, figures
from medseg_lab.survey.families import FAMILIES

PAGE = """\
# Figures, equations and the table of the survey

The survey {{cite}}`survey` has {figures} figures, {equations} equations and one table. Each has a
counterpart in a chapter that is *live*: a figure is drawn from a module that runs, or from networks that
were trained, and beside an equation stands the library's code for it. The links lead to the cell itself.
"""

EQUATIONS = """
## Equations

As they should be, in this book's notation. What the survey prints otherwise is in the errata of
{doc}`/does_the_survey_hold`.
"""

FAMILY_TABLE = """
## Table 1: families of semi-supervised methods

The survey sorts semi-supervised methods into five families. For each of their methods: the verdict on the
claims about it, *here*, from the runs on this machine, and *on record*, and what a training costs.
{caption}
"""


def figures_page(
    chapters: Sequence[Chapter], ledger: Ledger, here: Mapping[str, Judged], recorded: Mapping[str, Judged]
) -> str:
    """The survey's figures, its equations and its table.

    Args:
        chapters: those that are in the book, for links.
        ledger: the runs here; those on record are read from the usual place.
        here, recorded: all claims, judged by the runs here and by those on record.
    """
    drawn = [_figure(one, chapters) for one in figures()]
    lines = [PAGE.format(figures=len(figures()), equations=len(equations())), "## Figures", ""]
    lines += [table(("Figure", "What it shows", "Live"), drawn), EQUATIONS]
    for one in equations():
        lines += [_equation(one, chapters), ""]
    sources = {"here": ledger, "on record": read_record()}
    asked = list(dict.fromkeys(family.section for family in FAMILIES))
    judged = zip(sources, (here, recorded), strict=True)
    verdicts = {name: [one.verdict for one in its.values()] for name, its in judged}
    columns, found = families_rows(sources, asked, verdicts=verdicts)
    lines.append(FAMILY_TABLE.format(caption=CAPTION.format(floor="U-Net with dropout")))
    for family, rows in found:
        told = f"{escape(family.idea)} Chapter {to_chapter(family.section, chapters)}."
        cells = [[escape(text) for text in row] for row in rows]
        lines += [
            f"### {family.name}",
            "",
            told,
            "",
            table([name.capitalize() for name in columns], cells),
            "",
        ]
    return "\n".join(lines)


def _figure(one: Figure, chapters: Sequence[Chapter]) -> tuple[str, str, str]:
    return f"{one.number}", one.shows, _link(one, chapters)


def _equation(one: Equation, chapters: Sequence[Chapter]) -> str:
    """The equation, and where it is."""
    return f"**({one.number})** {one.says}\n\n$$\n{one.tex}\n$$\n\nIn {_link(one, chapters)}: `{one.code}`"


def _link(place: Place, chapters: Sequence[Chapter]) -> str:
    return to_cell(place.chapter, place.cell, chapters, f"chapter {place.chapter}")
