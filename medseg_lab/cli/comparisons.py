"""The steps of `medseg compare`: choose runs, print tables, draw."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from medseg_lab.cli.tables import summary_table
from medseg_lab.evaluation.ledger import Ledger, read_ledger
from medseg_lab.evaluation.naming import method_called
from medseg_lab.evaluation.standings import Standing, standings
from medseg_lab.evaluation.summary import Summary
from medseg_lab.evaluation.terms import holding, shared_standing
from medseg_lab.record.store import read_record
from medseg_lab.sweeps.grid import names as grid_names


def read(store: Path | None) -> Ledger:
    """The ledger of a store."""
    return read_ledger(store)


def read_recorded() -> Ledger:
    """The record as a ledger."""
    return read_record()


def load(store: Path | None, names: Path | None = None, record: bool = False) -> Ledger | None:
    """The ledger of a store; None where it is empty. What is left out is printed.

    Args:
        store: its folder; None for the usual one.
        names: a grid file, whose names are used for its recipes.
        record: the record in place of a store.

    Raises:
        ValueError: for a grid that cannot be read.
    """
    own = grid_names(names) if names else {}
    ledger = (read_recorded() if record else read(store)).named(own)
    gc.freeze()  # a short process: collecting what was read would only cost time, even at the exit
    if count := len(ledger.superseded):
        said = "run is left out: a newer one has" if count == 1 else "runs are left out: newer ones have"
        typer.echo(f"{count} {said} the same method, data, budget and seed")
    if unjudged := sum(not parts for parts in ledger.runs["parts"]):
        typer.echo(
            f"{unjudged} of {len(ledger.runs)} runs have no results: they were trained without a judge"
        )
    if ledger.runs.empty:
        typer.echo(f"nothing to compare: no runs in {ledger.root}")
        return None
    return ledger


def having(ledger: Ledger, name: str, value: Any) -> Ledger:
    """The runs with this value in a column; all of them for None.

    Raises:
        ValueError: if there are none, with the values there are.
    """
    passed = ledger.where(**{name: value})
    if value is not None and passed.runs.empty:
        there = ", ".join(sorted({str(known) for known in ledger.runs[name]})) or "none: there are no runs"
        raise ValueError(f"{name}: expected one of {there}, got {value!r}")
    return passed


def chosen(
    ledger: Ledger,
    filters: Mapping[str, Any],
    where: Sequence[str],
    part: str | None,
    methods: Sequence[str],
    baseline: str | None,
) -> list[Standing]:
    """The standings that the options ask for.

    Raises:
        ValueError: for a filter that nothing passes, with what there is; for methods that share no terms.
    """
    wanted = [method_called(ledger.runs, name) for name in (*methods, *([baseline] if baseline else []))]
    asked = {**filters, **dict(_assignment(ledger, text) for text in where)}
    passed = ledger
    for name, value in asked.items():
        passed = having(passed, name, value)
    if methods:
        both = list(dict.fromkeys(wanted))
        return holding(passed, both, part) or [shared_standing(ledger, both, part, **asked)]
    found = [one for one in standings(passed) if part in (None, one.part)]
    if not found:
        scored = sorted({its for parts in passed.runs["parts"] for its in parts})
        if not scored:
            raise ValueError("runs: none has results; all were trained without a judge")
        raise ValueError(f"part: expected one of {', '.join(scored)}, got {part!r}")
    if not baseline:
        return found
    kept = [one for one in found if wanted[0] in one.methods]
    if without := len(found) - len(kept):
        typer.echo(f"{without} of {len(found)} comparisons are left out: {wanted[0]} is not in them")
    return kept


def summarised(found: Sequence[Standing], metric: str, baseline: str | None) -> list[Summary]:
    """The summaries of all that have the metric; the others are printed, with the reason.

    Raises:
        ValueError: if none has it.
    """
    summaries: list[Summary] = []
    errors: list[tuple[str, ValueError]] = []
    for one in found:
        try:
            held = None if baseline is None else method_called(one.ledger.runs, baseline)
            summaries.append(one.summary(metric, held))
        except ValueError as error:
            errors.append((one.describe(), error))
    if errors and not summaries:
        raise errors[0][1]
    for heading, reason in errors:
        typer.echo(f"left out: {heading}: {reason}")
    return summaries


def print_summary(one: Summary) -> None:
    """Heading, table, what the numbers mean, remarks; as wide as the terminal allows."""
    console = Console()
    console.print(Text(one.title, style="bold"))
    console.print(summary_table(one.words, console.width))
    said = "\n".join((one.explanation, *one.remarks))
    console.print(Text(f"\n{said}\n", style="dim"))


def draw(summary: Summary, path: Path) -> Path:
    """Differences, cases and rank stability of a comparison, in a file.

    Raises:
        ValueError: for one seed, one method, or an unknown suffix.
    """
    from medseg_lab.show.dots import dots
    from medseg_lab.show.figure import save_stacked
    from medseg_lab.show.forest import forest
    from medseg_lab.show.ranks import ranks

    figures = [forest(summary.comparison), dots(summary.comparison)]
    if summary.comparison.ranking.told:
        figures.append(ranks(summary.comparison.ranking))
    return save_stacked(figures, path)


def _assignment(ledger: Ledger, text: str) -> tuple[str, Any]:
    """`--where patch=64` as a column and a value of its type."""
    name, sign, value = text.partition("=")
    if not sign or name not in ledger.runs:
        columns = ", ".join(ledger.runs.columns)
        raise ValueError(f"--where: expected NAME=VALUE with one of {columns}, got {text!r}")
    if ledger.runs[name].dtype.kind not in "iuf":
        return name, value
    try:
        return name, float(value)
    except ValueError as error:
        raise ValueError(f"--where: expected a number for {name}, got {text!r}") from error
