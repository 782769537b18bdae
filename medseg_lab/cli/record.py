"""`medseg record`: what trainings with more seeds came to, shipped with the library."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from medseg_lab.cli.tables import show, table

if TYPE_CHECKING:
    from medseg_lab.record.entry import Entry
    from medseg_lab.record.listing import Group

record = typer.Typer(
    no_args_is_help=True,
    help="What trainings with more seeds came to: kept with the library, added to, never edited.",
)

Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Folder of another record; by default $MEDSEG_RECORD, or the library's."),
]
Section = Annotated[str | None, typer.Option(help="Methods of this section, and what its claims need.")]
Method = Annotated[list[str] | None, typer.Option(help="A method's name or recipe; several may be given.")]
Dataset = Annotated[str | None, typer.Option(help="A data set's id.")]
Labelled = Annotated[int | None, typer.Option(help="How many patients' labels were used.")]
Steps = Annotated[int | None, typer.Option(help="The steps of a training.")]


@record.command()
def add(
    store: Annotated[Path | None, typer.Option(help="Folder of runs; by default the run store.")] = None,
    section: Section = None,
    method: Method = None,
    dataset: Dataset = None,
    labelled: Labelled = None,
    steps: Steps = None,
    note: Annotated[str, typer.Option(help="A word on these runs, kept with them.")] = "",
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of another record; by default $MEDSEG_RECORD, or the library's."),
    ] = None,
) -> None:
    """Put finished runs on record that are not there yet, with their cases' and patients' ids."""
    from medseg_lab.data.wording import counted
    from medseg_lab.record.add import add as put
    from medseg_lab.training.names import names
    from medseg_lab.training.runs import RunStore

    filters: dict[str, Any] = {"dataset": dataset, "labelled": labelled, "steps": steps}
    found = put(
        RunStore(store) if store else None,
        section=section,
        methods=method or (),
        note=note,
        to=to,
        **filters,
    )
    if found.path is None:
        typer.echo("nothing was added")
    else:
        size, number = found.size / 1000, len(found.runs)
        typer.echo(
            f"added {counted(number, 'run')} in {found.path}: {size:.1f} kB, {size / number:.1f} kB a run"
        )
        methods = Counter(
            (run.record.cohort.id, names().get(run.record.method, run.record.method)) for run in found.runs
        )
        for (where, name), seeds in methods.items():
            typer.echo(f"  {where}: {name}, {counted(seeds, 'run')}")
    for reason, number in Counter(found.left_out.values()).items():
        typer.echo(f"left out {counted(number, 'run')}: {reason}")


@record.command("list")
def list_(
    folder: Folder = None,
    section: Section = None,
    method: Method = None,
    dataset: Dataset = None,
    labelled: Labelled = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also what was trained on, notes, and the runs' keys.")
    ] = False,
) -> None:
    """List what is on record, by section, data set and method."""
    from medseg_lab.data.wording import counted
    from medseg_lab.record.listing import listed
    from medseg_lab.record.store import record_folder
    from medseg_lab.survey.methods import sections

    entries = entries_of(folder, section, method, dataset, labelled)
    where = record_folder(folder)
    if not entries:
        typer.echo(
            f"nothing on record in {where}"
            + (" that matches" if any_given(section, method, dataset, labelled) else "")
        )
        return
    size = sum(path.stat().st_size for path in where.glob("[!.]*.json.xz")) / 1000
    typer.echo(f"{counted(len(entries), 'run')} on record in {where} ({size:.0f} kB in all)")
    groups = listed(entries)
    titles = {one.id: f"{one.id} {one.title}" for one in sections()}
    console = Console()
    for section_id, data in dict.fromkeys((one.section, one.dataset) for one in groups):
        its = [one for one in groups if (one.section, one.dataset) == (section_id, data)]
        console.print(_table(f"{titles.get(section_id, 'Of no section')}: {data}", its))
        for line in _remarks(its, details):
            console.print(Text(line, "yellow" if line.startswith("*") else "dim"))


@record.command()
def check(
    run: Annotated[
        str | None, typer.Argument(help="The first digits of a run's key; by default the cheapest run.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Train a recorded run anew on this machine, and compare its scores with those on record."""
    from medseg_lab.record.check import check as train_anew
    from medseg_lab.record.check import chosen

    entry = chosen(entries_of(folder), run)
    seconds = entry.record.seconds + entry.record.judge_seconds
    typer.echo(
        f"{entry.method}, seed {entry.record.seed}, {entry.record.cohort.id}: {seconds:.0f} s on record"
    )
    found = train_anew(entry)
    rows = [
        (name, *(f"{value:.6g}" for value in row))
        for name, row in zip(found.scores.index, found.scores.to_numpy(), strict=True)
    ]
    show("Scores, mean of all", ("measure", "on record", "here", "largest difference"), rows)
    if found.same_bits:
        typer.echo(f"run {entry.run}: the same bits")
    elif found.differs:
        typer.echo(f"run {entry.run}: other bits, for something else differs: {'; '.join(found.differs)}")
    else:
        typer.echo(f"run {entry.run}: the same code, versions and hardware gave other numbers")
        raise typer.Exit(1)


@record.command()
def export(
    out: Annotated[Path, typer.Option(help="A CSV file: a row a run, part, case and class.")],
    folder: Folder = None,
    section: Section = None,
    method: Method = None,
    dataset: Dataset = None,
    labelled: Labelled = None,
) -> None:
    """Write all scores on record to a CSV file, with the runs' facts in each row."""
    from medseg_lab.data.whole_file import write_whole
    from medseg_lab.data.wording import counted
    from medseg_lab.evaluation.export import check_name
    from medseg_lab.record.export import exported

    check_name("--out", out, (".csv",))
    found = exported(entries_of(folder, section, method, dataset, labelled))
    write_whole(out, found.to_csv(index=False, lineterminator="\n").encode())
    typer.echo(f"written: {out}, {counted(len(found), 'row')}")


def any_given(*filters: Any) -> bool:
    """Whether one of the filters was given."""
    return any(each not in (None, []) for each in filters)


def entries_of(
    folder: Path | None,
    section: str | None = None,
    methods: Sequence[str] | None = None,
    dataset: str | None = None,
    labelled: int | None = None,
) -> "list[Entry]":
    """The runs on record that the options ask for; packs that are left out are printed.

    Raises:
        ValueError: for an unknown section or method.
    """
    from medseg_lab.evaluation.naming import recipe_called
    from medseg_lab.record.sections import in_section
    from medseg_lab.record.store import read_entries

    entries = read_entries(folder)
    belongs = in_section(section) if section else lambda name: True
    texts = {recipe_called(name) for name in methods or ()}
    return [
        entry
        for entry in entries
        if belongs(entry.method)
        and (not texts or entry.record.method in texts)
        and dataset in (None, entry.record.cohort.id)
        and labelled in (None, entry.record.cohort.labelled_patients)
    ]


def _table(title: str, groups: "Sequence[Group]") -> Any:
    """One row for the seeds of a method on the same terms."""
    drawn = any(len(one.draws) > 1 for one in groups)
    header = ("method", "seeds", *(["draws"] if drawn else []), "labels", "steps", "trained", "commit")
    made = table(title, header, fixed=header[1:-1])
    for one in groups:
        cohort, spent = one.first.record.cohort, one.first.record.budget
        made.add_row(
            Text(f"{one.method}{'' if not one.ages else ' *'}"),
            one.seeds.partition(" ")[2],
            *([str(len(one.draws))] if drawn else []),
            str(cohort.labelled_patients),
            f"{spent.steps:,}",
            "\n".join(one.dates),
            "\n".join(one.commits),
        )
    return made


def _remarks(groups: "Sequence[Group]", details: bool) -> Iterator[str]:
    """What is said below a table: code that has changed; with details devices, judges, notes and keys."""
    ages = [(one.method, age) for one in groups for age in one.ages]
    for age in dict.fromkeys(age for _, age in ages):
        yield f"* {', '.join(dict.fromkeys(name for name, its in ages if its == age))}: {age}"
    for one in groups if details else ():
        notes = dict.fromkeys(entry.note for entry in one.entries if entry.note)
        keys = ", ".join(entry.run[:8] for entry in one.entries)
        scored = f"scored by {one.first.record.scoring} on {', '.join(one.parts)}"
        yield f"{one.method}: {one.first.record.hardware}; {'; '.join((scored, *notes))}; runs {keys}"
