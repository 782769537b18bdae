"""Hand jobs to an executor, those that share a training one after the other."""

import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from pathlib import Path

from medseg_lab.sweeps.desk import clear
from medseg_lab.sweeps.execute import execute
from medseg_lab.sweeps.jobs import Job, Look, Outcome, Place
from medseg_lab.sweeps.process import NoWorkerError

TURN = 0.5
"""Seconds between two looks at whether somebody pressed Ctrl-C."""


def drive(
    jobs: Sequence[Job], looks: Mapping[str, Look], place: Place, executor: Executor
) -> Iterator[tuple[Job, Outcome]]:
    """Do the jobs; each with what became of it, as they end.

    Jobs whose runs rest on the same training (a pruned network and the whole one) stand in a line, so that no
    worker waits for what another trains. A job whose worker was killed is tried once more.

    Raises:
        RuntimeError: if there are no workers, or the cluster is gone.
    """
    lines = _lines(jobs, looks)
    running: dict[Future[Outcome], Job] = {}
    tried: set[str] = set()

    def begin(job: Job) -> None:
        running[executor.submit(execute, job, place, looks.get(job.id, Look(job.id)))] = job

    for line in lines:
        begin(line[0])
    line_of = {job.id: line for line in lines for job in line}
    while running:
        ended = wait(running, timeout=TURN, return_when=FIRST_COMPLETED).done
        for future in [future for future in running if future in ended]:
            job = running.pop(future)
            error = _error(future)
            if isinstance(error, BrokenExecutor) and job.id not in tried:
                tried.add(job.id)
                begin(job)
                continue
            if error is not None:
                clear(Path(place.desk), job.id)
            yield job, future.result() if error is None else _lost(job, error)
            line = line_of[job.id]
            line.popleft()
            if line:
                begin(line[0])


def _lines(jobs: Sequence[Job], looks: Mapping[str, Look]) -> list[deque[Job]]:
    """The jobs, grouped by the run that is trained for them; that run itself is first in its line."""
    lines: dict[str, list[Job]] = {}
    for job in jobs:
        look = looks.get(job.id)
        lines.setdefault(look.root if look else job.id, []).append(job)
    return [deque(sorted(line, key=lambda job: _changed(looks.get(job.id)))) for line in lines.values()]


def _changed(look: Look | None) -> bool:
    return look is not None and look.key != look.root


def _error(future: Future[Outcome]) -> BaseException | None:
    """The exception of a job whose worker did not bring its outcome.

    Raises:
        RuntimeError: if it was lost with all others.
    """
    try:
        error = future.exception()
    except CancelledError:
        raise RuntimeError(
            "scheduler: got a lost connection, wanted a scheduler that lives as long as the sweep; start it "
            "again, and what is done stays done"
        ) from None
    if isinstance(error, NoWorkerError):
        raise error
    return error


def _lost(job: Job, error: BaseException) -> Outcome:
    said = "".join(traceback.format_exception(error))
    if isinstance(error, BrokenExecutor):
        said += "\nits worker was killed, and so was the next: out of memory, perhaps"
    return Outcome(job.id, traceback=said)
