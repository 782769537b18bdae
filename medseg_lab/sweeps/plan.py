"""From a grid file to the jobs it stands for; whatever can be wrong with it is found here."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.sweeps.chapters import executions
from medseg_lab.sweeps.grid import ALL, Grid, read_grid
from medseg_lab.sweeps.jobs import ChapterRun, Job, Training
from medseg_lab.sweeps.known import dataset_called, methods_of, unfit


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    Args:
        path: the grid file.
        grid: its content.
        jobs: in the order in which they are begun: a data set after the other, so that a worker seldom
            changes its cohort, and seed by seed, so that early results compare all methods.
        left_out: titles of what does not apply, each with the reason.
    """

    path: Path
    grid: Grid
    jobs: tuple[Job, ...]
    left_out: tuple[tuple[str, str], ...] = ()

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

    Raises:
        ValueError: for whatever in it is unknown, ill-typed, planned or not at hand: the file, the value that
            was seen and those that are known.
    """
    path = Path(path)
    grid = read_grid(path)
    try:
        trainings, left_out = _trainings(grid, path.parent)
        jobs = (*trainings, *(run for chapter in grid.chapters for run in executions(chapter, grid)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not jobs and not left_out:
        raise ValueError(f"{path}: got nothing to run, wanted methods or recipes with datasets, or chapters")
    if twice := _twice(jobs):
        raise ValueError(f"{path}: got {twice!r} twice, wanted each job once")
    return Plan(path, grid, jobs, left_out)


def _trainings(grid: Grid, base: Path) -> tuple[tuple[Training, ...], tuple[tuple[str, str], ...]]:
    methods, jobs, left_out = methods_of(grid), [], []
    if bool(methods) != bool(grid.datasets):
        wanted = "datasets" if methods else "methods or recipes"
        raise ValueError(f"got no {wanted}, wanted some for the {'methods' if methods else 'data sets'}")
    for said, labelled in itertools.product(grid.datasets, grid.labelled):
        dataset, dims = dataset_called(said, base)
        where = Path(dataset).name + (f", {labelled} labelled" if len(grid.labelled) > 1 else "")
        reasons = {name: unfit(name, recipe, grid, dims) for name, (recipe, _) in methods.items()}
        left_out += [(f"{name}, {where}", reason) for name, reason in reasons.items() if reason]
        for seed, (name, (_, text)) in itertools.product(grid.seed_numbers, methods.items()):
            if reasons[name]:
                continue
            jobs.append(
                Training(
                    title=f"{name}, {where}, seed {seed}",
                    threads=grid.threads,
                    gpus=grid.gpus,
                    dataset=dataset,
                    labelled=None if labelled == ALL else int(labelled),
                    recipe=text,
                    budget=grid.budget.model_dump(),
                    seed=seed,
                    parts=tuple(grid.parts),
                )
            )
    return tuple(jobs), tuple(left_out)


def _twice(jobs: tuple[Job, ...]) -> str:
    """The title of a job that is there twice, or ""."""
    seen: set[str] = set()
    for job in jobs:
        if job.id in seen:
            return job.title
        seen.add(job.id)
    return ""
