"""Worker processes: how many, with which threads and cards; real ones, really killed."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import distributed
import psutil
import pytest

from medseg_lab.workers import cluster
from medseg_lab.workers.cluster import environments, open_workers
from medseg_lab.workers.jobs import Job
from medseg_lab.workers.progress import Progress
from medseg_lab.workers.run import run_jobs


@pytest.mark.parametrize(("cores", "threads", "workers"), [(8, 1, 8), (8, 3, 2), (2, 4, 1)])
def test_the_cores_are_divided_among_workers(monkeypatch, cores, threads, workers):
    monkeypatch.setattr("dask.system.cpu_count", lambda: cores)
    found = environments(threads, 0, None)
    assert len(found) == workers
    assert all(one["OMP_NUM_THREADS"] == str(threads) for one in found)
    assert all(one["CUDA_VISIBLE_DEVICES"] == "-1" for one in found)


def test_threads_do_not_depend_on_the_number_of_workers():
    assert environments(2, 0, 1)[0] == environments(2, 0, 7)[6]


def test_the_memory_is_divided_among_workers(monkeypatch):
    monkeypatch.setattr("dask.system.cpu_count", lambda: 64)
    monkeypatch.setattr(cluster, "physical_memory", lambda: 8 * 2**30)
    assert len(environments(1, 0, None)) == 8
    assert len(environments(1, 0, 20)) == 20


@pytest.mark.parametrize(
    ("cores", "memory", "shared"),
    [(64, [80 * 2**30] * 2, 20), (16, [80 * 2**30] * 2, 16), (2, [80 * 2**30] * 2, 2), (1, [2**30] * 2, 2)],
)
def test_workers_share_the_cards_as_cores_and_memory_allow(monkeypatch, cores, memory, shared):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
    monkeypatch.setattr("dask.system.cpu_count", lambda: cores)
    monkeypatch.setattr(cluster, "physical_memory", lambda: 2**40)
    monkeypatch.setattr(cluster, "card_memory", lambda: memory)
    cards = [one["CUDA_VISIBLE_DEVICES"] for one in environments(1, 1, None)]
    assert len(cards) == shared
    assert cards[:2] == ["3", "GPU-ab"]
    assert abs(cards.count("3") - cards.count("GPU-ab")) <= 1
    assert len(environments(1, 1, 5)) == 5


def test_without_a_card_jobs_that_want_one_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ValueError, match="gpus: expected a CUDA card, as gpus = 1, got none on this machine"):
        environments(1, 1, None)


def test_there_is_one_kind_of_workers_and_at_least_one():
    with pytest.raises(ValueError, match=r"workers: expected one of .*, got workers=2, scheduler=tcp://x"):
        open_workers(1, workers=2, scheduler="tcp://x").__enter__()
    with pytest.raises(ValueError, match="workers: expected 1 or more, got 0"):
        open_workers(1, workers=0).__enter__()


def test_a_cluster_whose_workers_do_not_suit_is_refused():
    def client(**worker):
        known = {"tcp://w": {"host": "h", "nthreads": 1, "resources": {}} | worker}
        return SimpleNamespace(scheduler_info=lambda n_workers: {"workers": known})

    assert cluster._checked_hosts(client(), 0) == ["h"]
    assert cluster._checked_hosts(client(resources={"GPU": 1}), 1) == ["h"]
    with pytest.raises(ValueError, match=r"expected workers with 1 thread, got 2 at tcp://w"):
        cluster._checked_hosts(client(nthreads=2), 0)
    with pytest.raises(ValueError, match=r"expected workers with the resource GPU, as gpus = 1, got none"):
        cluster._checked_hosts(client(), 1)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(RuntimeError, match=r"scheduler: no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        open_workers(1, scheduler="tcp://127.0.0.1:9").__enter__()


def test_what_a_killed_process_left_long_ago_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [tmp_path / f"medseg-workers-{os.getpid()}-old", tmp_path / f"medseg-workers-{ended.pid}-new"]
    gone = tmp_path / f"medseg-workers-{ended.pid}-old"
    for folder in (*kept, gone):
        folder.mkdir()
        if folder.name.endswith("old"):
            os.utime(folder, (0, 0))
    cluster._remove_abandoned()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def until(seen, seconds: float = 120):
    """What `seen` gives once it is true; fails after a time that no machine needs."""
    end = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return value


def crash(job: Job) -> tuple[str, bool]:
    ctypes.string_at(0)
    return "", False


def told(job: Job) -> tuple[str, bool]:
    print("printed by the job")
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return f"{os.environ['OMP_NUM_THREADS']} {signal.SIGINT in masked} {os.getpid()}", False


def either(job: Job) -> tuple[str, bool]:
    return crash(job) if job.title == "crash" else told(job)


def test_a_job_that_crashes_twice_is_given_up_with_its_stack_and_all_others_are_done(tmp_path, capfd):
    before = {child.pid for child in psutil.Process().children()}
    jobs = [
        Job(title, 2, 0) if title else Job(f"job {n}", n, 0) for n, title in enumerate(["crash", *[""] * 4])
    ]
    progress, began = Progress(total=5), {}
    progress.running = began  # every announcement, also of what has ended
    progress.job_ended = lambda job, outcome: None
    with open_workers(len(jobs), threads=2, workers=2) as workers:
        assert workers.description == "2 workers of this machine, 2 threads each, on the CPU"
        found = {job.title: outcome for job, outcome in run_jobs(jobs, either, workers, progress, tmp_path)}
    assert "Segmentation fault" in found["crash"].traceback
    assert "in crash" in found["crash"].traceback
    assert found["crash"].error == "its worker was killed, and so was the next: out of memory, perhaps"
    done = [found[f"job {n}"].key.split() for n in (1, 2, 3, 4)]
    assert [threads for threads, _, _ in done] == ["1", "2", "3", "4"]
    assert {masked for _, masked, _ in done} == {"True"}  # Ctrl-C is not the workers' business
    said = {one.title: one.pid for one in began.values()}  # a crash may take the last with it
    pids = {f"job {n}": int(pid) for n, (*_, pid) in enumerate(done, start=1)}
    assert said.keys() & pids.keys()
    assert all(said[title] == pids[title] for title in said.keys() & pids.keys())
    out, err = capfd.readouterr()
    assert "printed by the job" not in out
    assert err == ""
    left = {child.pid for child in psutil.Process().children()} - before
    assert not left & {int(pid) for *_, pid in done}


def test_ctrl_c_while_workers_start_ends_them(monkeypatch):
    started, real = [], distributed.Client

    def pressed(made, **options):
        started.extend(nanny.process.pid for nanny in made.workers.values())
        os.kill(os.getpid(), signal.SIGINT)
        return real(made, **options)

    monkeypatch.setattr(distributed, "Client", pressed)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), open_workers(1, workers=1):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(started) == 1
    assert not psutil.pid_exists(started[0])


PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from medseg_lab.workers.cluster import open_workers

def endless(path):
    import os, time
    from pathlib import Path
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    with open_workers(1, workers=1) as workers:
        workers.executor.submit(endless, sys.argv[2]).result()
"""


def test_workers_end_with_the_process_that_started_them_even_if_it_is_killed(tmp_path, root):
    (tmp_path / "parent.py").write_text(PARENT)
    begun = tmp_path / "begun"
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), str(root), str(begun)])
    try:
        worker = int(until(lambda: begun.exists() and begun.read_text()))
        parent.kill()
        parent.wait()
        until(lambda: not psutil.pid_exists(worker))
    finally:
        parent.kill()
        parent.wait()


def test_a_script_without_a_guard_is_told_what_is_missing(tmp_path, root):
    script = tmp_path / "unguarded.py"
    script.write_text(PARENT.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, str(script), str(root), str(tmp_path / "begun")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1
    assert "belongs under `if __name__ == '__main__':`" in done.stderr
