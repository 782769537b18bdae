"""The tables of the book's page of standings: every comparison that the runs allow, and what is not shown.

The page itself is `book/comparison/standings.md`, which includes them.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from medseg_lab.data.catalogue import is_known, load_card
from medseg_lab.data.wording import counted
from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.standings import Standing, standings
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.publishing.markdown import bullets, escape, table
from medseg_lab.record.basis import Basis
from medseg_lab.record.store import ledger_of_entries, read_entries, record_folder
from medseg_lab.show.figure import PIXELS_PER_INCH, described, png
from medseg_lab.show.forest import forest
from medseg_lab.show.ranks import ranks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "comparison"
READING = "```{include} _reading.md\n```\n"
SHARED = ("seeds", "cases")
"""Columns of a summary in which all rows are the same: the terms state them once."""
COSTS = ("training", "memory", "para-\nmeters")
"""Columns that are the same whatever the metric."""

EMPTY = """\
There are no runs in the ledger yet. A chapter or a sweep adds them:

```bash
medseg run 2.1.1
medseg sweep grid.toml
```

Then build the book again. {doc}`run_your_own` shows how to compare methods on your own images.
"""

SMOKE = """\
```{admonition} Proves that it runs, compares nothing
:class: warning
All runs in the ledger have the budget `smoke`: a few steps of training. The tables below show what the
page looks like. Their numbers say nothing about the methods.
```
"""


def standings_pages(ledger: Ledger) -> dict[str, bytes]:
    """What the page includes, and its pictures, by file name: data set by data set, here and on record.

    Comparisons at the budget `smoke` are shown only where there are no others. Of what is on record, those
    are shown whose labelled patients are of the first draw.
    """
    found = standings(ledger)
    shown = [one for one in found if one.budget != "smoke"] or found
    compared = [one for one in shown if len(one.methods) > 1]
    recorded = _recorded()
    text: list[str] = []
    pictures: dict[str, bytes] = {}
    if not compared:
        text.append(EMPTY)
    elif shown[0].budget == "smoke":
        text.append(SMOKE)
    if compared or recorded:
        text.append(READING)
    listed = [*((one, None) for one in compared), *recorded]
    order = sorted(listed, key=lambda item: item[0].dataset)
    for dataset, group in groupby(enumerate(order, start=1), key=lambda item: item[1][0].dataset):
        text.append(f"## {escape(dataset)}\n\n{_data(dataset)}\n")
        for number, (standing, basis) in group:
            said, drawn = _drawn(standing, f"standing-{number}", basis)
            text.append(f"{said}\n")
            pictures |= {f"{FOLDER}/{name}": data for name, data in drawn.items()}
    alone = [one for one in shown if len(one.methods) < 2]
    if hidden := _hidden(ledger, alone, len(found) - len(shown)):
        text.append(f"## Not shown\n\n{bullets(hidden)}\n")
    return {f"{FOLDER}/_standings.md": "\n".join(text).encode(), **pictures}


def _recorded() -> list[tuple[Standing, Basis]]:
    """The comparisons that the record allows, each with the runs that it rests on."""
    entries = [entry for entry in read_entries() if entry.record.cohort.draw == 0]
    by_run = {entry.run: entry for entry in entries}
    found = standings(ledger_of_entries(entries, record_folder()))
    return [
        (one, Basis(tuple(by_run[run] for run in one.ledger.runs.index)))
        for one in found
        if len(one.methods) > 1
    ]


_kept: dict[tuple[str, ...], tuple[str, dict[str, bytes]]] = {}
"""Sections of what is on record, which take seconds each, while a book is built again and again."""


def _drawn(standing: Standing, name: str, basis: Basis | None) -> tuple[str, dict[str, bytes]]:
    """As `section`; of what is on record, which does not change, each once in a process."""
    if basis is None:
        return section(standing, name)
    key = (name, standing.part, *standing.ledger.runs.index)
    if key not in _kept:
        _kept[key] = section(standing, name, basis)
    return _kept[key]


def section(standing: Standing, name: str, basis: Basis | None = None) -> tuple[str, dict[str, bytes]]:
    """One comparison as Markdown, and its pictures by file name.

    Args:
        standing: of two methods or more.
        name: what the names of the pictures begin with.
        basis: the runs on record that it rests on; None for runs here.
    """
    summary = standing.summary()
    comparison = summary.comparison
    pictures = {f"{name}-{kind}.png": fig for kind, fig in _figures(comparison).items()}
    patients = counted(standing.labelled, "labelled patient")
    where = "On record" if basis else "Here"
    said = [
        f"### {where}: budget {standing.budget}, {standing.part} part, {patients}",
        f"{terms(standing)} {f'Trained {escape(basis.origin)}.' if basis else ''}",
        _compact(_without(summary.words, SHARED)),
        escape(comparison.describe()),
        bullets(remarks(standing)),
        *(_picture(file, fig) for file, fig in pictures.items()),
    ]
    if len(comparison.classes) > 1:
        said.append(_folded(f"{comparison.title}, class by class", _by_class(comparison), comparison))
    if _measured(standing, "hd95"):
        distances = standing.summary("hd95")
        words = _without(distances.words, (*SHARED, *COSTS))
        said.append(_folded("Boundary distances: HD95", words, distances.comparison))
    return "\n\n".join(part for part in said if part), {file: png(fig) for file, fig in pictures.items()}


def terms(standing: Standing) -> str:
    """The terms in a few sentences."""
    first, seeds = standing.ledger.runs.iloc[0], standing.seeds
    return (
        f"Budget `{standing.budget}`: {first['steps']:,} steps of {first['voxels']:,} voxels a run. "
        f"Trained on {counted(standing.labelled, 'labelled patient')}, scored on the {standing.part} part, "
        f"with {'the seeds' if len(seeds) > 1 else 'one seed,'} {', '.join(map(str, seeds))}. "
        f"Cases and split: `{first['cohort'][:8]}`."
    )


def remarks(standing: Standing) -> list[str]:
    """What was left out and why, and how the runs differ beyond their terms."""
    left_out = [f"**Left out.** {escape(reason)}." for reason in standing.left_out]
    return [*left_out, *(f"**Note.** {escape(note[:1].upper() + note[1:])}." for note in standing.notes)]


def _data(dataset: str) -> str:
    """What the data set is; above all, whether it is real."""
    if not is_known(dataset):
        return f"A user's own folder, {escape(dataset)}."
    card = load_card(dataset)
    kind = "real data" if card.virtual is None else "**virtual subjects, no real data**"
    return f"{escape(card.title)}: {kind} ([its page](../data/{card.base}.md))."


def _hidden(ledger: Ledger, alone: Sequence[Standing], smoke: int) -> list[str]:
    """What the ledger holds and the page does not show, each with the reason."""
    said = [
        f"{escape(one.methods[0])} on {escape(one.describe())}: no other method has runs on these terms."
        for one in alone
    ]
    if smoke:
        said.append(
            f"{counted(smoke, 'comparison')} at the budget `smoke`, which proves that methods run and "
            "compares nothing."
        )
    if ledger.superseded:
        number = counted(len(ledger.superseded), "run")
        said.append(f"{number} of which there is a newer one on the same terms, with the same seed.")
    return said


def _figures(comparison: Comparison) -> "dict[str, Figure]":
    """Differences and ranks; with one seed there are neither."""
    if len(comparison.seeds) < 2:
        return {}
    found = {"forest": forest(comparison)}
    return {**found, "ranks": ranks(comparison.ranking)} if comparison.ranking.told else found


def _measured(standing: Standing, metric: str) -> bool:
    """Whether a metric has a value for every case."""
    cases = standing.ledger.cases
    return metric in cases and bool(cases.loc[cases["part"] == standing.part, metric].notna().all())


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
    columns = [[escape(text).replace("\n", "<br>") for text in (head, *words[head])] for head in words]
    head, *rows = zip(*columns, strict=True)
    return f"::::{{table}}\n:class: medseg-compact\n\n{table(head, rows)}\n::::"


def _picture(file: str, fig: "Figure") -> str:
    alt = " ".join(described(fig).split())
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    return f"```{{image}} {file}\n:alt: {alt}\n:width: {width}px\n:class: medseg-picture\n```"
