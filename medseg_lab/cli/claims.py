"""`medseg claims`: the verdicts of the run store on the survey's statements."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from medseg_lab.cli.tables import table

if TYPE_CHECKING:
    from rich.table import Table

    from medseg_lab.evaluation.claims import Judgement
    from medseg_lab.survey.claims import Claim

STYLES = {
    "supported": "green",
    "not supported": "red",
    "inconclusive": "yellow",
    "not tested": "cyan",
    "not run": "dim",
}
"""Each state's colour."""


def claims(
    section: Annotated[
        str | None, typer.Option(help="Claims of this section and those below it, such as 3 or 2.1.1.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Claims with this verdict: supported, not-supported, inconclusive, not-tested, not-run."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Count the runs on this data set only.")] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of runs; by default the run store.")] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also the two sides, and the reason for the verdict.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the verdicts to this CSV file.")] = None,
) -> None:
    """The survey's claims, with the verdict of the runs on each."""
    from medseg_lab.cli.comparisons import having, read
    from medseg_lab.evaluation.claims import claims_table, judged
    from medseg_lab.evaluation.export import write_whole
    from medseg_lab.evaluation.wording import counted

    wanted = _of_section(section)
    known = {name.replace(" ", "-"): name for name in STYLES}
    if state is not None and state.replace(" ", "-") not in known:
        raise ValueError(f"--state: expected one of {', '.join(known)}, got {state!r}")
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out: expected a name that ends in .csv, got {out.name}")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {out.parent}")
    runs = having(read(store), "dataset", dataset)
    found = judged(runs, wanted)
    if state is not None:
        found = [one for one in found if one.verdict.state == known[state.replace(" ", "-")]]
    if out is not None:
        write_whole(out, claims_table(found).to_csv(index=False, lineterminator="\n").encode())
    what = f"{counted(len(found), 'claim')} of the survey, {counted(len(runs.runs), 'run')} in {runs.root}"
    counts: Counter[str] = Counter(one.verdict.state for one in found)
    if found:
        tally = ", ".join(f"{counts[name]} {name}" for name in STYLES if counts[name])
        Console().print(_table(f"{what}: {tally}", found, details))
    else:
        typer.echo(f"{what}: no claim matches")
    if out is not None:
        typer.echo(f"written: {out}")


def _of_section(section: str | None) -> "list[Claim]":
    """The claims of a section and of those below it."""
    from medseg_lab.survey.claims import claims as known

    if section is None:
        return list(known())
    known(section)
    return [claim for claim in known() if f"{claim.section}.".startswith(f"{section}.")]


def _table(title: str, found: "Sequence[Judgement]", details: bool) -> "Table":
    """One row a claim; a line of evidence for each data set, and with details sides, margin and reasons."""
    from medseg_lab.evaluation.verdicts import MARKS

    made = table(title, ("section", "verdict", "claim, and the evidence"), fixed=("verdict",))
    sections = [one.claim.section for one in found]
    for one, following in zip(found, [*sections[1:], ""], strict=True):
        claim, verdict, several = one.claim, one.verdict, len(one.by_data) > 1
        said = Text(f"{claim.statement}{' (ours, not the survey’s)' if claim.own else ''}")
        for its in one.by_data:
            said.append(f"\n{f'{MARKS[its.state]} ' if several else ''}{its.finding}: {its.place}", "bold")
            if details and several:
                said.append(f"\n{its.because}", "dim")
        if details:
            kind = "" if claim.kind == "superior" else f", {claim.kind}"
            if not claim.identity:
                said.append(f"\n{claim.sides}; {claim.measure.title}, margin {claim.smallest}{kind}", "dim")
            said.append(f"\n{verdict.because}", "dim")
        state = Text(f"{MARKS[verdict.state]} {verdict.state}", STYLES[verdict.state])
        made.add_row(claim.section, state, said, end_section=claim.section != following)
    return made
