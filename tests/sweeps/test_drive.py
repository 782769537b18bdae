"""In which order jobs are handed out, and what becomes of those whose workers die."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

import pytest

from medseg_lab.sweeps.drive import drive
from medseg_lab.sweeps.jobs import Job, Look, Outcome, Place
from medseg_lab.sweeps.process import NoWorkerError

JOBS = [Job(title, threads, 0) for threads, title in enumerate(("whole", "pruned", "other"), start=1)]
WHOLE, PRUNED, OTHER = JOBS


class Asked(Executor):
    """Notes what it is asked for; `answer` says what becomes of each job at each attempt."""

    def __init__(self, answer: Callable[[Job, int], Any]) -> None:
        self.answer, self.asked = answer, []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job, future = args[0], Future()
        self.asked.append(job.title)
        said = self.answer(job, self.asked.count(job.title))
        if isinstance(said, CancelledError):
            future.cancel()
            future.set_running_or_notify_cancel()
        elif isinstance(said, BaseException):
            future.set_exception(said)
        else:
            future.set_result(said)
        return future


def looks(*rooted: tuple[Job, str, str]) -> dict[str, Look]:
    return {job.id: Look(job.id, key, root) for job, key, root in rooted}


def done(job: Job, attempt: int) -> Outcome:
    return Outcome(job.id, key=job.title)


def driven(jobs: list[Job], executor: Executor, known: dict[str, Look], desk: str) -> dict[str, Outcome]:
    return {job.title: outcome for job, outcome in drive(jobs, known, Place("", desk), executor)}


def test_jobs_on_one_training_stand_in_a_line_and_that_training_is_first(tmp_path):
    executor = Asked(done)
    known = looks((PRUNED, "p", "w"), (WHOLE, "w", "w"), (OTHER, "o", "o"))
    outcomes = driven([PRUNED, WHOLE, OTHER], executor, known, str(tmp_path))
    # one of each line is begun; the next only when the one before has ended
    assert executor.asked == ["whole", "other", "pruned"]
    assert outcomes.keys() == {"whole", "other", "pruned"}


def test_a_job_whose_worker_was_killed_is_tried_once_more(tmp_path):
    executor = Asked(lambda job, attempt: BrokenExecutor("gone") if attempt == 1 else done(job, attempt))
    outcomes = driven(JOBS, executor, {}, str(tmp_path))
    assert {title: outcome.key for title, outcome in outcomes.items()} == {
        job.title: job.title for job in JOBS
    }
    assert sorted(executor.asked) == sorted([job.title for job in JOBS] * 2)


def test_a_job_that_kills_its_second_worker_too_is_given_up_and_the_rest_go_on(tmp_path):
    marker = tmp_path / f"{OTHER.id}.json"
    marker.write_text("left by the killed")
    executor = Asked(lambda job, n: BrokenExecutor("gone") if job is OTHER else done(job, n))
    outcomes = driven(JOBS, executor, {}, str(tmp_path))
    assert executor.asked.count("other") == 2
    assert outcomes["whole"].key == "whole"
    assert "BrokenExecutor: gone" in outcomes["other"].traceback
    assert outcomes["other"].error == "its worker was killed, and so was the next: out of memory, perhaps"
    assert not marker.exists()


def test_what_fails_does_not_keep_the_next_in_line_from_being_tried(tmp_path):
    executor = Asked(lambda job, n: Outcome(job.id, traceback="E: no") if job is WHOLE else done(job, n))
    outcomes = driven(JOBS, executor, looks((PRUNED, "p", "w"), (WHOLE, "w", "w")), str(tmp_path))
    assert outcomes["whole"].error == "E: no"
    assert outcomes["pruned"].key == "pruned"


def test_an_exception_that_is_not_the_jobs_own_is_its_failure(tmp_path):
    executor = Asked(lambda job, n: ValueError("cannot be sent") if job is OTHER else done(job, n))
    assert driven(JOBS, executor, {}, str(tmp_path))["other"].error == "ValueError: cannot be sent"


def test_without_workers_nothing_goes_on(tmp_path):
    executor = Asked(lambda job, n: NoWorkerError("workers: got none"))
    with pytest.raises(RuntimeError, match="workers: got none"):
        driven(JOBS, executor, {}, str(tmp_path))


def test_a_cluster_that_is_gone_ends_the_sweep_in_one_sentence(tmp_path):
    executor = Asked(lambda job, n: CancelledError())
    with pytest.raises(RuntimeError, match=r"scheduler: got a lost connection, .* what is done stays done"):
        driven(JOBS, executor, {}, str(tmp_path))
