"""`medseg sweep`."""

from pathlib import Path
from typing import Annotated

import typer


def sweep(
    grid: Annotated[Path, typer.Argument(help="A TOML file with methods, data sets and seeds.")],
    workers: Annotated[
        int | None,
        typer.Option(help="Processes on this machine; by default its cores, divided by the grid's threads."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler instead, such as tcp://host:8786.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder of the runs, shared by all workers; by default $MEDSEG_RUNS.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what is missing.")] = False,
) -> None:
    """Train what is missing in a grid of methods, data sets and seeds, on all cores or a cluster."""
    from medseg_lab.sweeps.sweep import sweep as run_sweep

    summary = run_sweep(grid, workers=workers, scheduler=scheduler, store=store, dry_run=dry_run)
    for title in summary.waiting:
        typer.echo(f"to do: {title}")
    typer.echo(summary.describe())
    if summary.done:
        where = "" if store is None else f" --store {store}"
        typer.echo(f"compare them: medseg compare{where} --names {grid}")
    if summary.failures:
        raise typer.Exit(1)
