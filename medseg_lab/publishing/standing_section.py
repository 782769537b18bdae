"""One comparison on the page of standings: its terms, a table, pictures, and what was left out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.standings import Standing
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.show.figure import PIXELS_PER_INCH, described, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARED = ("seeds", "cases")
"""Columns of a summary in which all rows are alike: the terms say it once."""
COSTS = ("training", "memory", "para-\nmeters")
"""Columns that are the same whatever the metric."""


def section(standing: Standing, name: str) -> tuple[str, dict[str, bytes]]:
    """A comparison as Markdown, and its pictures by file name.

    Args:
        standing: of two methods or more.
        name: what the names of the pictures begin with.
    """
    summary = standing.summary()
    comparison = summary.comparison
    pictures = {f"{name}-{kind}.png": fig for kind, fig in figures(comparison).items()}
    said = [
        f"### {heading(standing)}",
        terms(standing),
        _compact(_without(summary.words, SHARED)),
        escape(comparison.describe()),
        "\n".join(f"- {remark}" for remark in remarks(standing)),
        *(_picture(file, fig) for file, fig in pictures.items()),
        *_more(standing, comparison),
    ]
    return "\n\n".join(part for part in said if part), {file: png(fig) for file, fig in pictures.items()}


def heading(standing: Standing) -> str:
    """The terms in a few words."""
    return f"Budget {standing.budget}, {standing.part} part, {_patients(standing)}"


def terms(standing: Standing) -> str:
    """The terms in a few sentences."""
    first, seeds = standing.ledger.runs.iloc[0], standing.seeds
    return (
        f"Budget `{standing.budget}`: {first['steps']:,} steps of {first['voxels']:,} voxels a run. "
        f"Trained on {_patients(standing)}, scored on the {standing.part} part, with "
        f"{'the seeds' if len(seeds) > 1 else 'one seed,'} {', '.join(map(str, seeds))}. "
        f"Cases and split: `{first['cohort'][:8]}`."
    )


def remarks(standing: Standing) -> list[str]:
    """What was left out and why, and how the runs differ in what is no term."""
    left_out = [f"**Left out.** {escape(reason)}." for reason in standing.left_out]
    return [*left_out, *(f"**Note.** {escape(note[:1].upper() + note[1:])}." for note in standing.notes)]


def figures(comparison: Comparison) -> "dict[str, Figure]":
    """Differences and ranks; one training each has neither."""
    from medseg_lab.show.forest import forest
    from medseg_lab.show.ranks import ranks

    if len(comparison.seeds) < 2:
        return {}
    found = {"forest": forest(comparison)}
    return {**found, "ranks": ranks(comparison.ranking)} if comparison.ranking.told else found


def measured(standing: Standing, metric: str) -> bool:
    """Whether a metric has a value for every case."""
    cases = standing.ledger.cases
    return metric in cases and bool(cases.loc[cases["part"] == standing.part, metric].notna().all())


def _patients(standing: Standing) -> str:
    return f"{standing.labelled} labelled {'patient' if standing.labelled == 1 else 'patients'}"


def _more(standing: Standing, comparison: Comparison) -> list[str]:
    """What is folded away: the classes one by one, and HD95 where distances were measured."""
    said = []
    if len(comparison.classes) > 1:
        said.append(_folded(f"{comparison.title}, class by class", _by_class(comparison), comparison))
    if measured(standing, "hd95"):
        distances = standing.summary("hd95")
        words = _without(distances.words, (*SHARED, *COSTS))
        said.append(_folded("Distances of the borders: HD95", words, distances.comparison))
    return said


def _by_class(comparison: Comparison) -> dict[str, list[str]]:
    cells = comparison.by_class.to_dict("index")
    words = {"method": list(comparison.methods)}
    for name in comparison.classes:
        rows = [cells[(method, name)] for method in comparison.methods]
        words[name] = [with_interval(row, digits=comparison.digits) for row in rows]
    return words


def _without(words: Mapping[str, Sequence[str]], heads: Sequence[str]) -> dict[str, Sequence[str]]:
    return {head: cells for head, cells in words.items() if head not in heads}


def _folded(title: str, words: Mapping[str, Sequence[str]], comparison: Comparison) -> str:
    inside = f"{_compact(words)}\n\n{escape(comparison.describe())}"
    return f":::::{{dropdown}} {escape(title)}\n{inside}\n:::::"


def _compact(words: Mapping[str, Sequence[str]]) -> str:
    """Columns as a Markdown table in small type; line breaks stay."""
    lines = table(list(map(_cell, words)), zip(*(map(_cell, cells) for cells in words.values()), strict=True))
    return "\n".join(["::::{table}", ":class: medseg-compact", "", *lines, "::::"])


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _picture(file: str, fig: "Figure") -> str:
    alt = " ".join(described(fig).split())
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    return f"```{{image}} {file}\n:alt: {alt}\n:width: {width}px\n:class: medseg-picture\n```"
