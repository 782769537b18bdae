"""Run a list of jobs; what fails is recorded, and the rest go on."""

import json
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medseg_lab.data.whole_file import write_whole
from medseg_lab.workers.cluster import Workers
from medseg_lab.workers.jobs import Job, JobFunction, Outcome, announcement, perform
from medseg_lab.workers.progress import Progress


def run_jobs(
    jobs: Sequence[Job],
    function: JobFunction,
    workers: Workers,
    progress: Progress,
    failures: Path,
    arguments: Callable[[Job], tuple[Any, ...]] = lambda job: (),
    environment: Mapping[str, str] | None = None,
    after: Mapping[str, Collection[str]] | None = None,
) -> Iterator[tuple[Job, Outcome]]:
    """Run all jobs; each with its outcome, in the order in which they end.

    A job whose worker was killed is tried once more (on a cluster, as often as its `allowed-failures` says).

    Args:
        jobs: in the order in which they begin, as far as `after` allows.
        function: called as `function(job, *arguments(job))` in a worker.
        workers: who runs them.
        progress: is told of beginnings and ends; its total has been set.
        failures: folder of `<job>.json`: what failed, with its traceback, until it succeeds.
        arguments: what else the function is passed.
        environment: variables that each job has.
        after: by a job's id, the ids of those whose results it needs: they must have ended before it begins.

    Raises:
        RuntimeError: if the cluster is gone.
    """
    waiting, running = list(jobs), dict[Future[Outcome], Job]()
    there = {job.id for job in jobs}
    missing = {job.id: there & set((after or {}).get(job.id, ())) for job in jobs}

    def begin_ready() -> None:
        for job in [job for job in waiting if not missing[job.id]]:
            if workers.in_process:
                if running:
                    return
                progress.job_began(announcement(job))
            waiting.remove(job)
            call = (function, job, arguments(job), environment or {}, workers.topic)
            running[workers.executor.submit(perform, *call)] = job

    progress.start()
    if workers.client is not None:
        workers.client.subscribe_topic(workers.topic, lambda event: progress.job_began(event[1]["began"]))
    begin_ready()
    while running:
        ended = settled(running, progress.refresh)
        for future in [future for future in running if future in ended]:
            job = running.pop(future)
            outcome = _outcome(future, job, workers)
            _record(failures, job, outcome)
            progress.job_ended(job, outcome)
            yield job, outcome
            for needed in missing.values():
                needed.discard(job.id)
        begin_ready()


def settled(
    futures: Mapping[Future[Any], Any] | Sequence[Future[Any]], turn: Callable[[], None] = lambda: None
) -> set[Future[Any]]:
    """Wait for the first of the futures, in short turns, so that Ctrl-C is seen on all platforms.

    Args:
        futures: that are waited for.
        turn: is called twice a second.
    """
    done: set[Future[Any]] = set()
    while not done:
        turn()
        done = wait(futures, timeout=0.5, return_when=FIRST_COMPLETED).done
    return done


def _outcome(future: Future[Outcome], job: Job, workers: Workers) -> Outcome:
    """What the worker returned, or what became of the worker.

    Raises:
        RuntimeError: if the whole cluster is gone.
    """
    try:
        return future.result()
    except CancelledError:
        raise RuntimeError(
            "scheduler: the connection is lost; start the command again, and what is done stays done"
        ) from None
    except Exception as error:
        said = "".join(traceback.format_exception(error))
        worker = getattr(error, "last_worker", None)  # of Dask's KilledWorker
        if worker is not None:
            said += f"\nthe last that the worker printed:\n{_last_lines(workers.logs, worker.name)}\n"
            said += "its worker was killed, and so was the next: out of memory, perhaps"
        return Outcome(job.id, traceback=said)


def _last_lines(logs: Path | None, worker: Any) -> str:
    """The end of what a worker printed: what a crash in native code leaves."""
    path = logs and logs / f"worker-{worker}.log"
    if not path or not path.is_file():
        return "(unknown)"
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-200:])


def forget_failure(failures: Path, job: Job) -> None:
    """Remove the record of a job that has succeeded since."""
    (failures / f"{job.id}.json").unlink(missing_ok=True)


def _record(failures: Path, job: Job, outcome: Outcome) -> None:
    """Keep the record of a failed job, with its traceback, where and when; only as long as it fails."""
    if not outcome.traceback:
        forget_failure(failures, job)
        return
    said: dict[str, Any] = {
        "title": job.title,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "host": outcome.host,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": type(job).__name__,
        "job": asdict(job),
    }
    with suppress(OSError, RuntimeError):  # a full disk: the outcome says what failed, and the rest go on
        failures.mkdir(parents=True, exist_ok=True)
        write_whole(failures / f"{job.id}.json", json.dumps(said, indent=1).encode())
