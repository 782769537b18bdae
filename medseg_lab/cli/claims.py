"""`medseg claims`: what the run store says of the survey's statements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medseg_lab.evaluation.ledger import Ledger
    from medseg_lab.survey.claims import Claim


def claims(
    section: Annotated[
        str | None, typer.Option(help="Claims of this section and those below it, such as 3 or 2.1.1.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(help="Claims with this verdict: supported, not-supported, inconclusive, not-run."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Count the runs on this data set only.")] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of runs; by default the run store.")] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also the two sides, and why the verdict is what it is.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the verdicts to this CSV file, too.")] = None,
) -> None:
    """The survey's claims, with what the runs say of each."""
    from rich.console import Console

    from medseg_lab.cli.comparisons import read
    from medseg_lab.cli.verdicts import tally, verdict_table
    from medseg_lab.evaluation.claims import claims_table, judged
    from medseg_lab.evaluation.export import write_whole
    from medseg_lab.evaluation.verdicts import STATES
    from medseg_lab.evaluation.wording import counted

    wanted = _of_section(section)
    states = {name.replace(" ", "-"): name for name in STATES}
    if state is not None and state.replace(" ", "-") not in states:
        raise ValueError(f"state: got {state!r}, wanted one of {', '.join(states)}")
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"out: got {out.name}, wanted a name that ends in .csv")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"out: got {out}, wanted a folder that exists")
    runs = _on(read(store), dataset)
    found = judged(runs, wanted)
    if state is not None:
        found = [one for one in found if one.verdict.state == states[state.replace(" ", "-")]]
    if out is not None:
        write_whole(out, claims_table(found).to_csv(index=False, lineterminator="\n").encode())
    what = f"{counted(len(found), 'claim')} of the survey, {counted(len(runs.runs), 'run')} in {runs.root}"
    if found:
        Console().print(verdict_table(f"{what}: {tally(found)}", found, details))
    else:
        typer.echo(f"{what}: none such")
    if out is not None:
        typer.echo(f"written: {out}")


def _of_section(section: str | None) -> "list[Claim]":
    """The claims of a section and of those below it."""
    from medseg_lab.survey.claims import claims as known

    if section is None:
        return list(known())
    known(section)
    return [claim for claim in known() if f"{claim.section}.".startswith(f"{section}.")]


def _on(ledger: "Ledger", dataset: str | None) -> "Ledger":
    if dataset is None:
        return ledger
    ids = sorted(ledger.runs["dataset"].unique())
    if dataset not in ids:
        raise ValueError(
            f"dataset: got {dataset!r}, wanted one with runs: {', '.join(ids) or 'there are none'}"
        )
    return ledger.where(dataset=dataset)
