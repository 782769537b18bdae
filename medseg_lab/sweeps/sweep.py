"""Run a grid: what is missing of it, on whatever workers there are."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path

from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.whole_file import own_name, remove_abandoned
from medseg_lab.data.wording import counted
from medseg_lab.sweeps.execute import execute
from medseg_lab.sweeps.plan import Plan, Training, read_plan
from medseg_lab.sweeps.precheck import MARKER, Check, precheck
from medseg_lab.sweeps.summary import Failure, Summary, homely
from medseg_lab.training.runs import RunStore, run_store
from medseg_lab.workers.cluster import Workers, open_workers
from medseg_lab.workers.fits import FAILED
from medseg_lab.workers.jobs import Job, Outcome
from medseg_lab.workers.kept import VARIABLE
from medseg_lab.workers.progress import shown
from medseg_lab.workers.run import forget_failure, run_jobs, settled

SWEEP = ".sweep"
"""How the names of the files in a store begin that are there as long as a sweep."""


def sweep(
    grid: Path | str,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    store: Path | str | None = None,
    dry_run: bool = False,
) -> Summary:
    """Do all that a grid file stands for and that is not done yet; prints how it is getting on.

    What fails is recorded, with its traceback, and the rest go on. So they do where a data set cannot be
    loaded, or a method cannot be built for it, which is found before anything is trained. A job whose worker
    was killed is tried once more (on a cluster, as often as its scheduler's `allowed-failures` says); its
    training goes on from its last checkpoint. Called again, it does only what is missing.

    In a script this belongs under `if __name__ == "__main__":`, as all that starts processes.

    Args:
        grid: the grid file (`grid.Grid`).
        workers: processes on this machine; None takes as many as its cores and memory carry, and its CUDA
            cards where the grid takes them.
        scheduler: the address of a Dask scheduler, in place of processes.
        executor: any other `concurrent.futures.Executor` whose calls see the store and the data.
        store: the run store's folder, which all workers must see; None for the usual one.
        dry_run: only say what is there and what is to be done.

    Raises:
        ValueError: for a grid, or a number of workers, that cannot be; before anything runs.
        RuntimeError: if the store cannot be used, there are no workers, or they see another store.
        KeyboardInterrupt: on Ctrl-C, after the workers of this machine have ended: how it stands.
    """
    start = time.monotonic()
    plan = read_plan(grid)
    root = (run_store().root if store is None else Path(store).expanduser()).resolve()
    left_out, missing = list(plan.left_out), list[Job]()
    outcomes, failures = list[Outcome](), list(plan.failures)
    with shown() as progress, _marked(root) as marker:
        environment = _environment(plan, root) | {MARKER: str(marker)}
        progress.total = len(plan.jobs)
        try:
            with open_workers(
                len(plan.jobs),
                plan.grid.threads,
                plan.grid.gpus,
                workers=workers,
                scheduler=scheduler,
                executor=executor,
            ) as found:
                jobs = counted(len(plan.jobs), "job")
                progress.write(
                    f"{plan.path.name}: {jobs} on {found.description}; runs are kept in {homely(root)}"
                )
                checks = _prechecked(plan, environment, found)
                failures += _failed(plan, checks)
                for failure in failures:
                    progress.write(str(failure))
                for job in plan.jobs:
                    if checks[job.id].failed:
                        continue
                    if checks[job.id].unfit:
                        left_out.append((job.title, checks[job.id].unfit))
                    elif checks[job.id].done:
                        outcomes.append(Outcome(job.id, checks[job.id].key, replayed=True))
                        forget_failure(root / FAILED, job)
                    else:
                        missing.append(job)
                progress.before, progress.total = len(outcomes), len(outcomes) + len(missing)
                total = progress.total + sum(failure.jobs for failure in failures)
                if outcomes:
                    progress.write(f"{len(outcomes)} of {counted(progress.total, 'job')} done already")
                folder = root / FAILED
                for job, outcome in run_jobs(
                    [] if dry_run else missing,
                    execute,
                    found,
                    progress,
                    folder,
                    lambda job: (checks[job.id],),
                    environment,
                    _after(missing, checks),
                ):
                    if outcome.traceback:
                        failures.append(Failure(job.title, outcome.error, folder / f"{job.id}.json"))
                    else:
                        outcomes.append(outcome)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(progress.stopped(keep_on=bool(scheduler or executor))) from None
    seconds, waiting = time.monotonic() - start, tuple(job.title for job in missing) if dry_run else ()
    done, failed, out = tuple(outcomes), tuple(failures), tuple(left_out)
    return Summary(plan.path, root, total, done, failed, out, seconds, waiting)


@contextmanager
def _marked(root: Path) -> Iterator[Path]:
    """A file in the store as long as the sweep lasts; those of sweeps that were killed are removed.

    Raises:
        RuntimeError: if the store cannot be used.
    """
    RunStore(root).make()
    with writing(root):
        remove_abandoned(root, SWEEP)
        marker = root / own_name(SWEEP)
        marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def _prechecked(plan: Plan, environment: Mapping[str, str], workers: Workers) -> dict[str, Check]:
    """By job, what is known before it begins: a worker loads each cohort once, where training will be.

    Raises:
        RuntimeError: as `precheck`, or if a worker was lost.
    """
    cohorts: dict[object, list[Training]] = defaultdict(list)
    for job in plan.trainings:
        cohorts[job.cohort].append(job)
    pending: dict[Future[dict[str, Check]], list[Training]] = {
        workers.executor.submit(precheck, tuple(jobs), environment, workers.neighbours): jobs
        for jobs in cohorts.values()
    }
    checks = {job.id: Check() for job in plan.chapters}
    while pending:
        for future in settled(pending):
            jobs = pending.pop(future)
            try:
                checks |= future.result()
            except Exception as error:
                if type(error) is RuntimeError:  # a sentence already
                    raise
                if not hasattr(error, "last_worker"):  # of Dask's KilledWorker
                    said = f"{type(error).__name__}: {error}"
                    raise RuntimeError(f"{plan.path}: a worker failed to check the data: {said}") from error
                said = "the worker that loaded it was killed, and so was the next: out of memory, perhaps"
                checks |= {job.id: Check(failed=said, of_data=True) for job in jobs}
    return checks


def _failed(plan: Plan, checks: Mapping[str, Check]) -> Iterator[Failure]:
    """The data sets that cannot be loaded, and the methods that cannot be built, each once."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for job in plan.trainings:
        if check := checks[job.id].failed:
            title = job.data if checks[job.id].of_data else f"{job.method}, {job.data}"
            found[title, check] += 1
    for (title, error), jobs in found.items():
        yield Failure(title, error, jobs=jobs)


def _after(jobs: list[Job], checks: Mapping[str, Check]) -> dict[str, set[str]]:
    """By job, those that it waits for: one training, where several runs rest on it.

    It is the training itself where that is among the jobs, else the first of the others, which trains it.
    """
    first: dict[str, str] = {}
    for job in sorted(jobs, key=lambda job: checks[job.id].key != checks[job.id].root):
        if checks[job.id].root:
            first.setdefault(checks[job.id].root, job.id)
    roots = {job.id: first.get(checks[job.id].root, job.id) for job in jobs}
    return {job: {root} for job, root in roots.items() if root != job}


def _environment(plan: Plan, store: Path) -> dict[str, str]:
    """The variables of every job; a chapter's own process inherits them."""
    found = {"MEDSEG_RUNS": str(store), "MEDSEG_PROGRESS": "0", VARIABLE: "1"}
    if data := os.environ.get("MEDSEG_DATA"):
        found["MEDSEG_DATA"] = str(Path(data).expanduser().resolve())
    if plan.chapters:
        from medseg_lab.publishing.house import find_house

        found["MEDSEG_HOME"] = str(find_house().root)
    return found
