"""`medseg compare`."""

from pathlib import Path
from typing import Annotated

import typer

METHOD = "A method, by its name or by its recipe as text; several may be given. They need common terms."
WHERE = "Another column of the ledger, as NAME=VALUE; a fingerprint may be shortened."
OUT = "A file for the tables: .csv, .html or .tex; several may be given."
FIGURE = "A file for differences, cases and ranks of one comparison: .png, .svg or .pdf."
NAMES = "A sweep's grid file, whose own names are then used for its recipes."


def compare(
    dataset: Annotated[str | None, typer.Option(help="A data set's id.")] = None,
    budget: Annotated[str | None, typer.Option(help="A budget's name.")] = None,
    part: Annotated[str | None, typer.Option(help="Which cases were scored: validation or test.")] = None,
    labelled: Annotated[int | None, typer.Option(help="How many patients' labels were used.")] = None,
    method: Annotated[list[str] | None, typer.Option(help=METHOD)] = None,
    where: Annotated[list[str] | None, typer.Option(help=WHERE)] = None,
    metric: Annotated[str, typer.Option(help="dice, iou, hd95, assd or nsd.")] = "dice",
    baseline: Annotated[
        str | None, typer.Option(help="The method that others are compared with; by default the U-Net.")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of the runs; by default $MEDSEG_RUNS.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Compare what is on record instead.")] = False,
    names: Annotated[Path | None, typer.Option(help=NAMES)] = None,
    out: Annotated[list[Path] | None, typer.Option(help=OUT)] = None,
    figure: Annotated[Path | None, typer.Option(help=FIGURE)] = None,
) -> None:
    """Compare methods: all runs that may be compared, one table for each set of terms."""
    from medseg_lab.cli.comparisons import chosen, draw, load, print_summary, summarised
    from medseg_lab.evaluation.export import check, export
    from medseg_lab.evaluation.terms import apart
    from medseg_lab.show.figure import check as check_figure

    for path in out or ():
        check(path)
    if figure is not None:
        check_figure(figure)
    ledger = load(store, names, record)
    if ledger is None:
        return
    filters = {"dataset": dataset, "budget": budget, "labelled": labelled}
    found = chosen(ledger, filters, where or [], part, method or [], baseline)
    if figure is not None and len(found) > 1:
        raise ValueError(f"--figure: expected one comparison, got {len(found)}: {apart(found)}")
    summaries = summarised(found, metric, baseline)
    for summary in summaries:
        print_summary(summary)
    for path in out or ():
        typer.echo(f"written: {export(summaries, path)}")
    if figure is not None:
        typer.echo(f"drawn: {draw(summaries[0], figure)}")
