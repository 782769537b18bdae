"""`medseg claims`: the verdicts of the run store and of the record on the survey's statements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from medseg_lab.cli.tables import table

if TYPE_CHECKING:
    from rich.table import Table

    from medseg_lab.record.verdicts import Judged
    from medseg_lab.survey.claims import Claim

STYLES = {
    "supported": "green",
    "not supported": "red",
    "inconclusive": "yellow",
    "not tested": "cyan",
    "not run": "dim",
}
"""Each state's colour."""
HERE, RECORD = "here", "record"


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
    record: Annotated[bool, typer.Option("--record", help="Judge the record alone.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Also the two sides, and the reason for the verdict.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the verdicts to this CSV file.")] = None,
) -> None:
    """The survey's claims, with the verdict on each: of the runs here, and of those on record."""
    from medseg_lab.cli.comparisons import read, read_recorded
    from medseg_lab.data.whole_file import write_whole
    from medseg_lab.data.wording import counted
    from medseg_lab.record.verdicts import judged_here, judged_on_record, verdicts_table

    wanted = _of_section(section)
    known = {name.replace(" ", "-"): name for name in STYLES}
    if state is not None and state.replace(" ", "-") not in known:
        raise ValueError(f"--state: expected one of {', '.join(known)}, got {state!r}")
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out: expected a name that ends in .csv, got {out.name}")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {out.parent}")
    kept = read_recorded()
    ledgers = {} if record else {HERE: read(store)}
    if record or not kept.runs.empty:
        ledgers[RECORD] = kept
    there = sorted({name for one in ledgers.values() for name in one.runs["dataset"]})
    if dataset is not None and dataset not in there:
        raise ValueError(
            f"dataset: expected one of {', '.join(there) or 'none: there are no runs'}, got {dataset!r}"
        )
    ledgers = {name: one.where(dataset=dataset) for name, one in ledgers.items()}
    found = {
        name: judged_here(one, wanted) if name == HERE else judged_on_record(wanted, dataset=dataset)
        for name, one in ledgers.items()
    }
    if state is not None:
        chosen = known[state.replace(" ", "-")]
        wanted = [
            claim for claim in wanted if any(of[claim.id].verdict.state == chosen for of in found.values())
        ]
    if out is not None:
        listed = {name: [of[claim.id] for claim in wanted] for name, of in found.items()}
        write_whole(out, verdicts_table(listed).to_csv(index=False, lineterminator="\n").encode())
    said = [f"{counted(len(wanted), 'claim')} of the survey"]
    for name, one in ledgers.items():
        counts: Counter[str] = Counter(found[name][claim.id].verdict.state for claim in wanted)
        tally = ", ".join(f"{counts[each]} {each}" for each in STYLES if counts[each]) or "no claim matches"
        where = f"in {one.root}" if name == HERE else "on record"
        said.append(f"{counted(len(one.runs), 'run')} {where}: {tally}")
    if wanted:
        Console().print(_table(", ".join(said) if len(said) < 3 else "\n".join(said), wanted, found, details))
    else:
        typer.echo("\n".join(said) if len(said) > 2 else ", ".join(said))
    if out is not None:
        typer.echo(f"written: {out}")


def _of_section(section: str | None) -> "list[Claim]":
    """The claims of a section and of those below it."""
    from medseg_lab.survey.claims import claims as known
    from medseg_lab.survey.methods import within

    if section is None:
        return list(known())
    known(section)
    return [claim for claim in known() if within(claim.section, section)]


def _table(
    title: str, wanted: "Sequence[Claim]", found: "Mapping[str, Mapping[str, Judged]]", details: bool
) -> "Table":
    """One row a claim; a line of evidence for each data set, and with details sides, margin and reasons."""
    from medseg_lab.evaluation.verdicts import MARKS
    from medseg_lab.record.verdicts import place_of

    made = table(title, ("section", "verdict", "claim, and the evidence"), fixed=("verdict",))
    sections = [claim.section for claim in wanted]
    for claim, following in zip(wanted, [*sections[1:], ""], strict=True):
        states, said = Text(), Text(f"{claim.statement}{' (ours, not the survey’s)' if claim.own else ''}")
        if details and not claim.identity:
            kind = "" if claim.kind == "superior" else f", {claim.kind}"
            said.append(f"\n{claim.sides}; {claim.measure.title}, margin {claim.smallest}{kind}", "dim")
        for name, of in found.items():
            one = of[claim.id]
            verdict, several = one.verdict, len(one.by_data) > 1
            whose = f"{name}: " if len(found) > 1 else ""
            states.append(f"{chr(10) if states else ''}{whose}", "dim")
            states.append(f"{MARKS[verdict.state]} {verdict.state}", STYLES[verdict.state])
            for its, basis in one.by_data:
                mark = f"{MARKS[its.state]} " if several else ""
                said.append(f"\n{whose}{mark}{its.finding}: {place_of(its, basis)}", "bold")
                if details and several:
                    said.append(f"\n{its.because}", "dim")
            if details:
                said.append(f"\n{whose}{verdict.because}", "dim")
        made.add_row(claim.section, states, said, end_section=claim.section != following)
    return made
