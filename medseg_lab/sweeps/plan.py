"""From a grid file to its jobs; whatever can be wrong with it is found here."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg_lab.survey.terms import Terms, all_terms, terms_of
from medseg_lab.sweeps.grid import ALL, OWN, ChapterGrid, Grid, read_grid
from medseg_lab.sweeps.resolve import check_parameters, dataset_called, dimensions, methods_of, unfit
from medseg_lab.sweeps.summary import Failure
from medseg_lab.training.budget import budget_on
from medseg_lab.training.notation import add_own_modules
from medseg_lab.workers.jobs import Job


@dataclass(frozen=True)
class Training(Job):
    """One run: a recipe trained and judged on a data set with one seed.

    Args:
        dataset: an id or an absolute folder.
        labelled: patients whose labels may be used; None for all.
        draw: which these are.
        samples: how many segmentations of each case are scored; None for the prediction alone.
        attack: epsilon of an attack under which cases are scored, too; None for none.
        thin: width in pixels up to which vessels are scored once more; None for none.
        recipe: as text.
        budget: the fields of a `Budget`.
        seed: random seed.
        parts: the cases that are scored.
        modules: the folder of the user's own modules that the recipe names; empty where it names none.
        method, data: what the grid calls the method, and the data set with its labels.
    """

    dataset: str
    labelled: int | None
    recipe: str
    budget: dict[str, Any]
    seed: int
    parts: tuple[str, ...]
    modules: str = ""
    draw: int = 0
    samples: int | None = None
    attack: float | None = None
    thin: float | None = None
    method: str = field(default="", compare=False)
    data: str = field(default="", compare=False)

    @property
    def cohort(self) -> tuple[str, int | None, int | None, int]:
        """What `load_cohort` needs: data set, most cases, labelled patients, draw."""
        return self.dataset, self.budget["cases"], self.labelled, self.draw


@dataclass(frozen=True)
class ChapterRun(Job):
    """One execution of a chapter, with the parameters that are given."""

    section: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    Args:
        path: the grid file.
        grid: its content.
        jobs: in the order in which they begin: one data set after the other, so that a worker seldom changes
            its cohort, and seed by seed, so that early results compare all methods.
        left_out: titles of what does not apply, each with the reason.
        failures: data sets that cannot be had.
    """

    path: Path
    grid: Grid
    jobs: tuple[Job, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The jobs that are single runs."""
        return tuple(job for job in self.jobs if isinstance(job, Training))

    @property
    def chapters(self) -> tuple[ChapterRun, ...]:
        """The jobs that are chapters."""
        return tuple(job for job in self.jobs if isinstance(job, ChapterRun))


def read_plan(path: Path | str) -> Plan:
    """The plan of a grid file.

    What the grid itself says wrong is an error, before anything runs: a key, type, method, data set's id or
    parameter that is unknown. What this machine lacks or cannot read, a folder or a known data set, is a
    failure of that data set, and the others are trained.

    Raises:
        ValueError: for whatever in it is unknown or ill-typed, with the file, the value and the known ones.
    """
    path = Path(path)
    grid = read_grid(path)
    left_out: list[tuple[str, str]] = []
    failures: list[Failure] = []
    jobs: dict[str, Job] = {}
    try:
        chapters = (run for chapter in grid.chapters for run in _executions(chapter, grid))
        for job in itertools.chain(_trainings(grid, path.parent, left_out, failures), chapters):
            if job.id in jobs:
                raise ValueError(f"jobs: expected each once, got {job.title!r} twice")
            jobs[job.id] = job
    except ValueError as error:
        raise ValueError(f"{path}: {error!s:.4500}") from None
    if not jobs and not left_out and not failures:
        raise ValueError(f"{path}: nothing to run: expected methods or recipes with datasets, or chapters")
    return Plan(path, grid, tuple(jobs.values()), tuple(left_out), tuple(failures))


def _trainings(
    grid: Grid, base: Path, left_out: list[tuple[str, str]], failures: list[Failure]
) -> Iterator[Training]:
    add_own_modules(base.resolve())
    methods = methods_of(grid)
    if bool(methods) != bool(grid.datasets):
        have, lack = ("methods", "datasets") if methods else ("datasets", "methods or recipes")
        raise ValueError(f"{lack}: expected some for the {have}, got none")
    seen: set[tuple[str, int | None, int]] = set()
    if len(set(grid.datasets)) < len(grid.datasets):
        raise ValueError(f"datasets: expected each once, got {grid.datasets}")
    for given, amount, draw in itertools.product(grid.datasets, grid.labelled, grid.draws):
        dataset = dataset_called(given, base)
        own = _terms(grid, dataset)
        labelled = own.labelled if own and amount == OWN else None if amount == ALL else int(amount)
        cohort = dataset, labelled, draw if labelled else 0
        if cohort in seen:
            continue  # all are all, in whatever draw, and the section's own number may be one of the grid's
        seen.add(cohort)
        where = Path(dataset).name + (f", {labelled or ALL} labelled" if len(grid.labelled) > 1 else "")
        where += f", draw {draw}" if len(grid.draws) > 1 and labelled else ""
        try:
            dims = dimensions(dataset)
        except ValueError as error:
            failures.append(Failure(where, str(error), jobs=len(methods) * len(grid.seed_numbers)))
            continue
        reasons = {name: unfit(name, recipe, grid, dims) for name, (recipe, _) in methods.items()}
        left_out += [(f"{name}, {where}", reason) for name, reason in reasons.items() if reason]
        fit = {name: each for name, each in methods.items() if not reasons[name]}
        for seed, (name, (recipe, text)) in itertools.product(grid.seed_numbers, fit.items()):
            yield Training(
                title=f"{name}, {where}, seed {seed}",
                threads=grid.threads,
                gpus=grid.gpus,
                dataset=dataset,
                labelled=labelled,
                draw=cohort[-1],
                samples=grid.samples,
                attack=grid.attack,
                thin=grid.thin,
                recipe=text,
                budget=budget_on(grid.budget, own).model_dump(),
                seed=seed,
                parts=tuple(grid.parts),
                modules=str(base.resolve()) if recipe.is_own else "",
                method=name,
                data=where,
            )


def _terms(grid: Grid, dataset: str) -> Terms | None:
    """The section's own terms on a data set; None where the grid names no section.

    Raises:
        ValueError: for a section that has none.
    """
    if grid.section is None:
        return None
    if (found := terms_of(grid.section, dataset)) is None:
        known = ", ".join(dict.fromkeys(one.section for one in all_terms()))
        raise ValueError(f"section: expected one with terms of its own, {known}, got {grid.section!r}")
    return found


def _executions(chapter: ChapterGrid, grid: Grid) -> Iterator[ChapterRun]:
    """One execution for each combination of the parameters' values, checked."""
    from medseg_lab.publishing.house import find_house
    from medseg_lab.publishing.parameters import checked

    source = find_house().chapter(chapter.section)
    for values in itertools.product(*chapter.alternatives.values()):
        given = dict(zip(chapter.alternatives, values, strict=True))
        check_parameters(checked(source, given))
        said = "".join(f", {name}={value}" for name, value in given.items())
        title = f"chapter {source.section}{said}"
        yield ChapterRun(title, grid.threads, grid.gpus, str(source.path), given)
