"""`medseg`: the command line. Heavy libraries are imported inside the commands, so that help is instant."""

from pathlib import Path
from typing import Annotated

import typer

from medseg_lab.cli.claims import claims
from medseg_lab.cli.compare import compare
from medseg_lab.cli.data import data
from medseg_lab.cli.plain import Plain
from medseg_lab.cli.plan import plan
from medseg_lab.cli.predict import export, predict
from medseg_lab.cli.record import record
from medseg_lab.cli.sweep import sweep
from medseg_lab.cli.tables import show

app = typer.Typer(
    cls=Plain,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The course and laboratory for deep-learning medical image segmentation.",
)

app.add_typer(data, name="data")
app.add_typer(record, name="record")
app.command()(compare)
app.command()(sweep)
app.command()(claims)
app.command()(plan)
app.command()(predict)
app.command()(export)

Section = Annotated[
    str, typer.Argument(help="The survey's section, such as 2.1.1, a page's name, or a path.")
]
BudgetName = Annotated[str | None, typer.Option(help="What may be spent: smoke, class or full.")]
Dataset = Annotated[str | None, typer.Option(help="A data set's id, a folder of your own, or auto.")]


@app.command()
def run(
    section: Section,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", help="A chapter's parameter, as name=value.")
    ] = None,
    budget: BudgetName = None,
    dataset: Dataset = None,
) -> None:
    """Execute a chapter; replay it where nothing that it depends on has changed."""
    from medseg_lab.publishing.execute import run_chapter

    given = assignments(parameter or [])
    for name, value in {"budget": budget, "dataset": dataset}.items():
        if value is not None and given.setdefault(name, value) != value:
            raise ValueError(
                f"{name}: expected one value, got {given[name]!r} by -p and {value!r} by --{name}"
            )
    executed = run_chapter(section, given)
    typer.echo(executed)
    typer.echo(executed.notebook)


@app.command()
def book(
    budget: BudgetName = None,
    dataset: Dataset = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for _build/html; by default build/book.")
    ] = None,
) -> None:
    """Execute the chapters that have changed, and build the book, which can be read from the start."""
    from medseg_lab.publishing.grow import grow
    from medseg_lab.publishing.house import find_house

    grow(find_house(), budget=budget, dataset=dataset, output=output, say=typer.echo)


@app.command()
def chapters() -> None:
    """List the chapters, with their parameters."""
    from medseg_lab.publishing.house import find_house
    from medseg_lab.publishing.parameters import declared

    rows = [
        (one.section, one.title, ", ".join(map(str, declared(one).values())))
        for one in find_house().chapters()
    ]
    show("Chapters", ("section or name", "chapter", "parameters"), rows)


@app.command()
def exercise(
    section: Section,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the student's copy.")],
) -> None:
    """Write a student's copy of a chapter: solutions emptied, outputs removed."""
    from medseg_lab.publishing.exercise import exercise as cut
    from medseg_lab.publishing.house import find_house

    typer.echo(cut(find_house().chapter(section), output))


@app.command()
def runs() -> None:
    """List the run store, oldest run first."""
    from medseg_lab.training.names import names
    from medseg_lab.training.record import title
    from medseg_lab.training.runs import run_store

    store = run_store()
    rows = [
        (
            run.record.key[:8],
            names().get(run.record.method) or title(run.record.recipe),
            str(run.record.seed),
            run.record.cohort.id,
            run.record.budget.name,
            f"{run.record.seconds:.0f} s",
            run.record.started[:10],
        )
        for run in store.runs()
    ]
    header = ("run", "method", "seed", "data", "budget", "training", "date")
    show(f"Runs in {store.root}", header, rows, fixed=("run", "date"))
    if rows:
        typer.echo("`medseg predict RUN IMAGES -o MASKS` segments images with one of them.")


@app.command()
def methods() -> None:
    """The survey's methods, with their modules."""
    from medseg_lab.survey.methods import beside
    from medseg_lab.survey.methods import methods as known

    places = [(method, method.module.removeprefix("medseg_lab.")) for method in known()]
    rows = [(method.section, method.name, method.id, method.chapter, place) for method, place in places]
    rows += [(one.section, one.name, one.id, "", "beside the survey") for one in beside()]
    show(f"{len(places)} methods of the survey", ("section", "method", "id", "chapter", "module"), rows)


def assignments(texts: list[str]) -> dict[str, str]:
    """`["seeds=3"]` as `{"seeds": "3"}`.

    Raises:
        ValueError: for a text without a name and an equals sign.
    """
    for text in texts:
        if not text.partition("=")[0].strip() or "=" not in text:
            raise ValueError(f"-p: expected name=value, got {text!r}")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


if __name__ == "__main__":
    app(prog_name="medseg")
