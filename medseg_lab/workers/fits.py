"""Trainings side by side: what is missing of some runs is trained and judged by workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg_lab.data.share import SharedCohort, shared
from medseg_lab.training.budget import Budget
from medseg_lab.training.left_out import a_few
from medseg_lab.training.notation import add_own_modules, written
from medseg_lab.training.provenance import PACKAGE, import_folder, module_file
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.workers.jobs import Job
from medseg_lab.workers.kept import kept_workers
from medseg_lab.workers.progress import shown
from medseg_lab.workers.run import run_jobs

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.hardware import Hardware

FAILED = ".failed"
"""The folder in a run store where failures are recorded."""


@dataclass(frozen=True)
class Wanted:
    """A run that is wanted: what `medseg_lab.training.fit.fit` is called with, and its title."""

    title: str
    recipe: Recipe
    cohort: "Cohort"
    budget: Budget
    seed: int
    judge: Recipe | None = None
    threads: int = 1

    @cached_property
    def key(self) -> str:
        """The run's key."""
        from medseg_lab.training.key import key_of, key_parts

        computes_on = _computes_on(self.threads)
        return key_of(key_parts(self.recipe, self.cohort, self.budget, self.seed, self.judge, computes_on))

    @cached_property
    def bases(self) -> tuple["Wanted", ...]:
        """The runs that this one rests on."""
        found = self.recipe.bases
        numbers = [f" {n}" for n in range(1, len(found) + 1)] if len(found) > 1 else [""]
        return tuple(
            replace(self, recipe=base, title=f"{self.title}, base{number}")
            for base, number in zip(found, numbers, strict=False)
        )


@cache
def _computes_on(threads: int) -> "Hardware":
    """What this process trains on: one look for many keys, since a fabric takes its time."""
    from medseg_lab.training.device import hardware, make_fabric

    return hardware(make_fabric(), threads)


@dataclass(frozen=True)
class FitJob(Job):
    """One run, known by its key."""

    key: str


def fit_all(wanted: Sequence[Wanted], store: RunStore, workers: int | None = None) -> list[Run]:
    """The runs that are wanted, in their order: replayed, or trained by workers, to the same bits.

    A run that fails is recorded, with its traceback, and the rest finish. Ctrl-C ends the workers; what was
    trained stays in the store, and what was begun goes on from its last checkpoint when it is wanted again.

    Args:
        wanted: any runs; those that they rest on are trained first.
        store: where runs are kept, and found again.
        workers: processes; see `medseg_lab.workers.kept.kept_workers`.

    Raises:
        ValueError: for a method that cannot be trained on its cohort, before anything is trained.
        RuntimeError: naming what failed, and why, once the rest is done; if the store cannot be used.
    """
    missing = _missing(wanted, store)
    trained: set[str] = set()
    if missing:
        _check(missing.values())
        store.make()
        trained = _train(missing, store, workers)
    found: list[Run] = []
    for one in wanted:
        run = store.find(one.key)
        assert run is not None
        found.append(replace(run, replayed=one.key not in trained, recipe=one.recipe))
    return found


def _check(wanted: Iterable[Wanted]) -> None:
    """Check that each method can be trained on its cohort, once for all its seeds.

    Raises:
        ValueError: naming the method, and why not.
    """
    for one in {(written(one.recipe), id(one.cohort)): one for one in wanted}.values():
        if reason := unfit(one.recipe, one.cohort):
            raise ValueError(f"{one.cohort.id}: {written(one.recipe)} {reason}")


def _missing(wanted: Sequence[Wanted], store: RunStore) -> dict[str, Wanted]:
    """By key, what is to be trained or changed, bases before what rests on them."""
    found: dict[str, Wanted] = {}
    for one in wanted:
        if one.key not in found and store.find(one.key) is None:
            found |= {key: base for key, base in _missing(one.bases, store).items() if key not in found}
            found[one.key] = one
    return found


def _train(missing: dict[str, Wanted], store: RunStore, workers: int | None) -> set[str]:
    """Train all that is missing; the keys of what was not only judged anew.

    Raises:
        RuntimeError: naming what failed, once the rest is done.
    """
    from medseg_lab.training.device import make_fabric

    gpus, threads = int(make_fabric().device.type == "cuda"), max(one.threads for one in missing.values())
    jobs = {key: FitJob(one.title, one.threads, gpus, key) for key, one in missing.items()}
    after = {
        jobs[key].id: [jobs[base.key].id for base in one.bases if base.key in jobs]
        for key, one in missing.items()
    }
    failed, folder = list[str](), store.root / FAILED
    replayed: set[str] = set()
    by_id = {jobs[key].id: one for key, one in missing.items()}
    with shown(brief=True) as progress, kept_workers(len(jobs), threads, gpus, workers) as found:
        progress.total = len(jobs)
        direct = found.in_process and not gpus  # a card wants cases that are in memory, not on disk

        def arguments(job: Job) -> tuple[Any, ...]:
            one = by_id[job.id]
            cohort = one.cohort if direct else shared(one.cohort)
            more = store.root, _own_folders(one), found.neighbours
            return one.recipe, cohort, one.budget, one.seed, one.judge, *more

        try:
            for job, outcome in run_jobs(
                list(jobs.values()), train, found, progress, folder, arguments, after=after
            ):
                if outcome.traceback:
                    failed.append(f"{job.title}: {outcome.error}")
                elif outcome.replayed:
                    replayed.add(outcome.key)
                if not outcome.traceback and not direct and (run := store.find(outcome.key)):
                    by_id[job.id].cohort.openings.extend(run.record.test_opened)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(progress.stopped(keep_on=False)) from None
    if failed:
        count = f"{len(failed)} of {len(jobs)} runs failed" if len(jobs) > 1 else "the run failed"
        raise RuntimeError(f"{count}, see {folder}: {a_few(failed)}")
    return missing.keys() - replayed


def train(
    job: FitJob,
    recipe: Recipe,
    cohort: "Cohort | SharedCohort",
    budget: Budget,
    seed: int,
    judge: Recipe | None,
    store: Path,
    own: tuple[Path, ...],
    neighbours: int,
) -> tuple[str, bool]:
    """What a worker does: the run's key, and whether it was there already.

    Raises:
        RuntimeError: if this process would train another run than was asked for.
    """
    from medseg_lab.training.device import make_fabric
    from medseg_lab.training.fit import fit

    for folder in own:
        add_own_modules(folder)
    if isinstance(cohort, SharedCohort):  # a card takes all cases at once, unless they are too many
        cohort = cohort.open(in_memory=job.gpus > 0 and cohort.fits_memory(neighbours))
    fabric = make_fabric(accelerator="cuda" if job.gpus else "cpu")
    more: dict[str, Any] = {"progress": False, "fabric": fabric, "threads": job.threads}
    run = fit(recipe, cohort, budget, seed, store=RunStore(store), judge=judge, **more)
    if run.record.key != job.key:
        raise RuntimeError("run: code or data changed since it was asked for; restart Python")
    return run.record.key, run.replayed


def unfit(recipe: Recipe, cohort: "Cohort") -> str:
    """Why a method cannot be trained on the cohort; "" where it can.

    Raises:
        ValueError: if it cannot be built.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            learner = recipe.build(cohort.task)
    except (ValueError, TypeError) as error:
        raise ValueError(f"recipe {written(recipe)!r} on {cohort.id}: {error}") from error
    if learner.task.spatial_dims > cohort.task.spatial_dims:
        return f"works in {learner.task.spatial_dims} dimensions, the data has {cohort.task.spatial_dims}"
    without = cohort.unlabelled or getattr(learner, "withholds_labels", False)
    if getattr(learner, "wants_unlabelled", False) and not without:
        return "needs cases without labels, of which there are none: labelled must be less than all"
    if learner.plane and cohort.task.spatial_dims < 3:
        return "cuts volumes in another plane than their slices, the data has 2 dimensions"
    if learner.plane and learner.task.spatial_dims == 3:
        return f"learns from volumes, which have no plane: expected plane 0, got {learner.plane}"
    return next((reason for base in recipe.bases if (reason := unfit(base, cohort))), "")


def _own_folders(one: Wanted) -> tuple[Path, ...]:
    """The folders of the user's own modules that are named."""
    modules = (*one.recipe.modules, *(one.judge.modules if one.judge else ()))
    roots = {module.partition(".")[0] for module in modules} - {PACKAGE}
    return tuple({import_folder(file) for root in roots if (file := module_file(root))})
