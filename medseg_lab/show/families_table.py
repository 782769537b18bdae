"""The survey's Table 1, filled in: what each semi-supervised method came to, and what it cost."""

from collections.abc import Mapping, Sequence

import numpy as np

from medseg_lab.evaluation.claims import judged
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.verdicts import MARKS, Verdict
from medseg_lab.show.page import escape, show
from medseg_lab.show.table import CSS
from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.families import FAMILIES, Family
from medseg_lab.survey.methods import Method, method

OWN_CSS = """
.medseg-table.families :is(td, th) { text-align: left; vertical-align: top; white-space: normal; }
.medseg-table.families tbody th[scope=rowgroup] { font-weight: normal; padding-top: .7em; }
.medseg-table.families tbody th[scope=row] { font-weight: normal; padding-left: 1.4em; }
.medseg-table.families td:last-child { white-space: nowrap; }
"""
ALONE = ["dataset", "cohort", "steps", "voxels", "patch"]
"""Columns in which a method's run and that of the labels alone must agree, for their costs to be compared."""
CAPTION = (
    "Verdict: on each of the survey's claims that the method is better than something else, or on ours where "
    "it has none; with the difference, where one data set decides. Cost: operations of all its training "
    "steps, counted, over those of {floor}, mean over its runs; what is predicted between rounds is not "
    "counted."
)


def families_table(
    sources: Mapping[str, Ledger], sections: Sequence[str], floor: str = "U-Net with dropout"
) -> None:
    """Display the survey's Table 1: each family and its idea, then a row for each of its methods.

    All text wraps, so the table is as wide as its page.

    Args:
        sources: what was run, by the heading of its verdicts: "here", "on record".
        sections: whose families are shown: "3.1". A chapter that shows claims of other sections names them.
        floor: the configuration that learns from the labels alone.
    """
    heads, families = families_rows(sources, sections, floor)
    show(_markup(heads, families, CAPTION.format(floor=floor)), _plain(heads, families))


def families_rows(
    sources: Mapping[str, Ledger],
    sections: Sequence[str],
    floor: str = "U-Net with dropout",
    verdicts: Mapping[str, Sequence[Verdict]] | None = None,
) -> tuple[list[str], list[tuple[Family, list[list[str]]]]]:
    """Headings of `families_table`, and its families with their rows: method, verdicts, cost.

    `verdicts` are those on the claims of these sections, by source, where they are known already.
    """
    wanted = [family for family in FAMILIES if family.section in sections]
    verdicts = verdicts or {
        name: [one.verdict for section in sections for one in judged(ledger, claims(section))]
        for name, ledger in sources.items()
    }
    found = []
    for family in wanted:
        rows = []
        for own in map(method, family.methods):
            said = [verdict_of(own, verdicts[name]) for name in sources]
            rows.append([_named(own), *said, _cost(own, list(sources.values()), floor)])
        found.append((family, rows))
    return ["method", *(f"verdict, {name}" for name in sources), "cost"], found


def verdict_of(of: Method, verdicts: Sequence[Verdict]) -> str:
    """The verdicts on the claims that a method is better than something else, in one line.

    They are the survey's claims, or ours where it has none of the method's main configuration.
    """
    main = _main(of)
    about = [one for one in verdicts if one.claim.better and main in one.claim.better.methods]
    about = [one for one in about if not one.claim.own] or about
    said = [f"{MARKS[one.state]} {one.state} {one.effect.partition(' ')[0]}".rstrip() for one in about]
    return "; ".join(dict.fromkeys(said)) or "no claim"


def _main(of: Method) -> str:
    """The method's first configuration in its own table, where others are variations; or ""."""
    own = [one for one in configurations() if one.method == of.id]
    return next((one.name for one in own if one.module == of.module), own[0].name if own else "")


def _named(of: Method) -> str:
    """The name, with the numbers of its references."""
    numbers = f" [{', '.join(map(str, of.references))}]" if of.references else ""
    return f"{of.name}{numbers}"


def _cost(of: Method, ledgers: Sequence[Ledger], floor: str) -> str:
    """Operations of the method's main configuration over those of the labels alone, "× 2.0"; or "–"."""
    found = [ratio for ledger in ledgers for ratio in _ratios(ledger, _main(of), floor)]
    return f"× {np.mean(found):.1f}" if found else "–"


def _ratios(ledger: Ledger, name: str, floor: str) -> list[float]:
    runs = ledger.runs
    alone = runs[runs["method"] == floor].drop_duplicates(ALONE)
    pairs = runs[runs["method"] == name].merge(alone, on=ALONE, suffixes=("", "_alone"))
    return (pairs["step_flops"] / pairs["step_flops_alone"]).tolist()


def _markup(
    heads: Sequence[str], families: Sequence[tuple[Family, Sequence[Sequence[str]]]], caption: str
) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = ""
    for family, rows in families:
        said = f"<strong>{escape(family.name)}.</strong> {escape(family.idea)}"
        body += f'<tr><th scope="rowgroup" colspan="{len(heads)}">{said}</th></tr>'
        for first, *rest in rows:
            cells = "".join(f"<td>{escape(text)}</td>" for text in rest)
            body += f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
    inside = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<style>{CSS}{OWN_CSS}</style><table class="medseg-table families">{inside}</table>'


def _plain(heads: Sequence[str], families: Sequence[tuple[Family, Sequence[Sequence[str]]]]) -> str:
    lines = []
    for family, rows in families:
        lines.append(f"{family.name}: {family.idea}")
        lines += ["  " + "; ".join(map(": ".join, zip(heads, row, strict=True))) for row in rows]
    return "\n".join(lines)
