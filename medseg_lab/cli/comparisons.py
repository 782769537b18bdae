"""What `medseg compare` does: choose runs, print tables, draw."""

import gc
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from medseg_lab.evaluation.ledger import Ledger, read_ledger
from medseg_lab.evaluation.naming import method_called
from medseg_lab.evaluation.standings import Standing, standings
from medseg_lab.evaluation.summary import Summary
from medseg_lab.evaluation.terms import apart, holding, shared_standing
from medseg_lab.sweeps.grid import names as grid_names


def read(store: Path | None) -> Ledger:
    """The ledger of a store; what it leaves out is said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ledger = read_ledger(store)
    for warning in caught:
        typer.secho(f"note: {warning.message}", err=True, fg="yellow")
    return ledger


def load(store: Path | None, names: Path | None = None) -> Ledger | None:
    """The ledger of a store; None, and a line, where it is empty. What it leaves out is said.

    Args:
        store: its folder; None for the usual one.
        names: a grid file, whose names are used for its recipes.

    Raises:
        ValueError: for a grid that cannot be read.
    """
    own = grid_names(names) if names else {}
    ledger = read(store).named(own)
    gc.freeze()  # a short process: what was read stays, and need not be walked again, not even at the exit
    if count := len(ledger.superseded):
        said = "run is left out: a newer one has" if count == 1 else "runs are left out: newer ones have"
        typer.echo(f"{count} {said} the same method, data, budget and seed")
    unjudged = sum(not parts for parts in ledger.runs["parts"])
    if unjudged:
        typer.echo(
            f"{unjudged} of {len(ledger.runs)} runs have no results: they were trained without a judge"
        )
    if ledger.runs.empty:
        typer.echo(f"nothing to compare: no runs in {ledger.root}")
        return None
    return ledger


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
    asked = dict(filters)
    asked.update(_assignment(ledger, text) for text in where)
    passed = ledger
    for name, value in asked.items():
        there = ", ".join(sorted({str(known) for known in passed.runs[name]}))
        passed = passed.where(**{name: value})
        if passed.runs.empty:
            raise ValueError(f"{name}: got {value!r}, wanted one of {there}")
    if methods:
        both = list(dict.fromkeys(wanted))
        return holding(passed, both, part) or [shared_standing(ledger, both, part, **asked)]
    held = wanted[0] if baseline else None
    found = [one for one in standings(passed) if part in (None, one.part)]
    if not found:
        scored = sorted({its for parts in passed.runs["parts"] for its in parts})
        raise ValueError(f"part: got {part!r}, wanted one of {', '.join(scored)}" if scored else NO_RESULTS)
    if held and (without := sum(held not in one.methods for one in found)):
        typer.echo(f"{without} of {len(found)} comparisons are left out: {held} is not in them")
    return [one for one in found if held is None or held in one.methods]


NO_RESULTS = "runs: got none with results, wanted some that were trained with a judge"


def summarised(found: Sequence[Standing], metric: str, baseline: str | None) -> list[Summary]:
    """The summaries of all that have the metric; what has not is said.

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


def one_only(found: Sequence[Standing]) -> None:
    """Whether there is one comparison, which can be drawn.

    Raises:
        ValueError: if there are several, with the filters that choose one.
    """
    if len(found) > 1:
        raise ValueError(f"--figure: got {len(found)} comparisons, wanted one: {apart(found)}")


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
        raise ValueError(
            f"--where: got {text!r}, wanted NAME=VALUE, with one of {', '.join(ledger.runs.columns)}"
        )
    if ledger.runs[name].dtype.kind not in "iuf":
        return name, value
    try:
        return name, float(value)
    except ValueError as error:
        raise ValueError(f"--where: got {text!r}, wanted a number for {name}") from error
