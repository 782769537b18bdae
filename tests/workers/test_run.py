"""A list of jobs: in which order they run, what is recorded, and what becomes of those whose workers die."""

import json
import os
import pickle
import socket
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medseg_lab.workers.cluster import Workers
from medseg_lab.workers.jobs import Job, Outcome
from medseg_lab.workers.progress import Progress
from medseg_lab.workers.run import run_jobs

JOBS = [Job(title, threads, 0) for threads, title in enumerate(("whole", "pruned", "other"), start=1)]
WHOLE, PRUNED, OTHER = JOBS
AFTER = {PRUNED.id: [WHOLE.id, "done before"]}


class AtOnce(Executor):
    """Calls in this very process, as they are submitted; `lost` are the jobs of dead workers."""

    def __init__(self, lost: dict[Job, BaseException] | None = None) -> None:
        self.lost, self.asked = lost or {}, []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job, future = args[1], Future()
        self.asked.append(job.title)
        if isinstance(self.lost.get(job), CancelledError):
            future.cancel()
            future.set_running_or_notify_cancel()
        elif job in self.lost:
            future.set_exception(self.lost[job])
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def name(job: Job) -> tuple[str, bool]:
    return job.title, False


def fail_whole(job: Job) -> tuple[str, bool]:
    if job == WHOLE:
        raise OSError("no space left")
    return job.title, True


def ran(folder: Path, function=name, executor=None, after=AFTER, **options):
    workers = Workers(executor or AtOnce(), "")
    progress = Progress(lambda text: None, total=3)
    jobs = run_jobs(JOBS, function, workers, progress, folder / "failed", after=after, **options)
    return {job.title: outcome for job, outcome in jobs}


def record(folder: Path, job: Job) -> dict[str, Any]:
    return json.loads((folder / "failed" / f"{job.id}.json").read_text())


def test_ids_tell_jobs_apart_and_not_their_titles():
    assert len({job.id for job in JOBS}) == 3
    assert Job("renamed", 1, 0).id == WHOLE.id == pickle.loads(pickle.dumps(WHOLE)).id


def test_a_job_begins_when_those_that_it_needs_have_ended_and_the_others_at_once(tmp_path):
    executor = AtOnce()
    outcomes = ran(tmp_path, executor=executor)
    assert executor.asked == ["whole", "other", "pruned"]
    assert {title: outcome.key for title, outcome in outcomes.items()} == {
        job.title: job.title for job in JOBS
    }


def test_in_this_process_one_job_runs_at_a_time_and_is_shown(tmp_path):
    progress, seen = Progress(lambda text: None, total=3), []

    def look(job: Job) -> tuple[str, bool]:
        seen.append((job.title, [one.title for one in progress.running.values()]))
        return job.title, False

    workers = Workers(AtOnce(), "", in_process=True)
    found = [job.title for job, _ in run_jobs(JOBS, look, workers, progress, tmp_path, after=AFTER)]
    assert seen == [(title, [title]) for title in ("whole", "pruned", "other")]
    assert found == ["whole", "pruned", "other"]


def test_what_fails_is_recorded_until_it_succeeds_and_the_rest_go_on(tmp_path):
    outcomes = ran(tmp_path, fail_whole)
    assert outcomes["whole"].error == "OSError: no space left"
    assert outcomes["pruned"].replayed
    said = record(tmp_path, WHOLE)
    assert (said["title"], said["error"], said["host"]) == (
        "whole",
        "OSError: no space left",
        socket.gethostname(),
    )
    assert "Traceback (most recent call last)" in said["traceback"]
    assert said["job"]["threads"] == 1
    assert said["date"][:2] == "20"
    ran(tmp_path)
    assert list((tmp_path / "failed").iterdir()) == []


def test_a_job_that_kills_its_workers_is_given_up_with_what_the_last_one_printed(tmp_path):
    killed = RuntimeError("killed")
    killed.last_worker = SimpleNamespace(name=1)
    (tmp_path / "worker-1.log").write_text("Segmentation fault")
    workers = Workers(AtOnce({OTHER: killed}), "", logs=tmp_path)
    found = run_jobs([WHOLE, OTHER], name, workers, Progress(total=2), tmp_path / "failed")
    outcomes = {job.title: outcome for job, outcome in found}
    assert outcomes["whole"].key == "whole"
    assert outcomes["other"].error == "its worker was killed, and so was the next: out of memory, perhaps"
    assert "Segmentation fault" in record(tmp_path, OTHER)["traceback"]


def test_an_exception_that_is_not_the_jobs_own_is_its_failure(tmp_path):
    outcomes = ran(tmp_path, executor=AtOnce({OTHER: ValueError("cannot be sent")}))
    assert outcomes["other"].error == "ValueError: cannot be sent"


def test_a_cluster_that_is_gone_ends_it_in_one_sentence(tmp_path):
    with pytest.raises(RuntimeError, match=r"scheduler: the connection is lost; .* what is done stays done"):
        ran(tmp_path, executor=AtOnce({OTHER: CancelledError()}))


def test_a_job_has_its_threads_and_variables_and_they_are_restored(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_RUNS", "before")
    before, seen = torch.get_num_threads(), {}

    def look(job: Job, *more: str) -> tuple[str, bool]:
        variables = [os.environ[name] for name in ("OMP_NUM_THREADS", "MEDSEG_RUNS", "MEDSEG_NEW")]
        seen[job.title] = torch.get_num_threads(), variables, more
        return "", False

    ran(
        tmp_path,
        look,
        arguments=lambda job: (job.title,),
        environment={"MEDSEG_RUNS": "r", "MEDSEG_NEW": "n"},
    )
    assert seen["other"] == (3, ["3", "r", "n"], ("other",))
    assert (torch.get_num_threads(), os.environ["MEDSEG_RUNS"]) == (before, "before")
    assert "MEDSEG_NEW" not in os.environ


def test_the_error_of_an_outcome_is_the_last_line_of_its_traceback():
    assert Outcome("", traceback="Traceback\n  line\nValueError: no\n").error == "ValueError: no"
    assert Outcome("").error == ""
