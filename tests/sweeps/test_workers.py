"""The same runs, bit by bit, whoever makes them, and whoever dies; with real processes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.sweeps.sweep import sweep
from medseg_lab.workers.cluster import open_workers
from tests.sweeps.sweep_toys import TINY, AtOnce, bits, grid_file, run_folders, until

TWO = {"tiny": TINY, "other": "Supervised(network=UNet(features=[4, 6]), spatial_dims=2)"}
LONG = {"steps": 30, "checkpoint_seconds": 0.01}


def checkpoints(store: Path) -> set[str]:
    """The trainings that have left a checkpoint and still run."""
    return {path.parent.name for path in store.glob(".partial/*/step-*")}


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Its worker processes."""
    return [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]


def test_two_workers_one_of_which_is_killed_make_the_bits_of_a_run_in_process(tmp_path):
    grid, store = grid_file(tmp_path, recipes=TWO, budget=LONG), tmp_path / "killed"
    sweep(grid, executor=AtOnce(), store=tmp_path / "plain")
    killed: list[psutil.Process] = []

    def kill() -> None:
        until(lambda: checkpoints(store))
        killed.append(workers_of(psutil.Process())[0])
        killed[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    summary = sweep(grid, store=store, workers=2)
    killer.join()
    assert (summary.done, summary.failures) == (4, ())
    runs = read_ledger(store).runs
    assert sorted(zip(runs["recipe"], runs["seed"], strict=True)) == [
        (recipe, seed) for recipe in sorted(TWO.values()) for seed in (0, 1)
    ]
    assert bits(store) == bits(tmp_path / "plain")
    assert not killed[0].is_running()
    assert not workers_of(psutil.Process())
    assert not (store / ".failed").exists()
    assert list(store.glob(".sweep*")) == []


@pytest.fixture
def cluster():
    """A Dask scheduler with two workers, the second of which offers a card."""
    from distributed import Nanny, Scheduler, SpecCluster

    here = {"host": "127.0.0.1", "dashboard": False}
    worker = here | {"nthreads": 1, "env": {"OMP_NUM_THREADS": "1"}}
    spec = [{"cls": Nanny, "options": worker | more} for more in ({}, {"resources": {"GPU": 1}})]
    server = {"cls": Scheduler, "options": here | {"port": 0}}
    with SpecCluster(dict(enumerate(spec)), server, silence_logs=50) as made:
        yield made


def test_a_cluster_makes_the_same_bits_and_when_it_is_gone_what_is_done_stays_done(tmp_path, cluster, capfd):
    grid, address = grid_file(tmp_path), cluster.scheduler_address
    sweep(grid, executor=AtOnce(), store=tmp_path / "plain")
    summary = sweep(grid, scheduler=address, store=tmp_path / "store")
    assert (summary.made, summary.failures) == (2, ())
    assert bits(tmp_path / "store") == bits(tmp_path / "plain")
    with open_workers(1, gpus=1, scheduler=address) as found:  # a card each goes to the worker that offers it
        assert len({found.executor.submit(os.getpid).result(timeout=120) for _ in range(4)}) == 1
    capfd.readouterr()

    def close() -> None:
        until(lambda: checkpoints(tmp_path / "store"))
        cluster.close()

    closer = threading.Thread(target=close)
    closer.start()
    endless = grid_file(tmp_path, budget=LONG | {"steps": 100_000})
    with pytest.raises(RuntimeError, match="scheduler: the connection is lost"):
        sweep(endless, scheduler=address, store=tmp_path / "store")
    closer.join()
    assert "Traceback" not in capfd.readouterr().err
    assert len(run_folders(tmp_path / "store")) == 2


COMMAND = """
import signal
from medseg_lab.cli.app import app
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may have it ignored
    app()
"""


def test_ctrl_c_ends_the_workers_and_says_how_it_stands(tmp_path, root):
    slow = {"steps": 100_000, "checkpoint_seconds": 0.01}
    grid, store = grid_file(tmp_path, budget=slow, seeds=3), tmp_path / "store"
    command = [sys.executable, "-c", COMMAND, "sweep", str(grid), "--store", str(store), "--workers", "2"]
    sweeping = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        start_new_session=True,  # as in a terminal
    )
    try:
        until(lambda: len(checkpoints(store)) == 2)
        children = psutil.Process(sweeping.pid).children(recursive=True)
        assert len(children) >= 2
        os.killpg(sweeping.pid, signal.SIGINT)  # as a terminal does: to all of them
        out, err = sweeping.communicate(timeout=120)
    finally:
        sweeping.kill()
        sweeping.wait()
    assert sweeping.returncode == 130
    assert "stopped: 0 done, 0 failed, 2 interrupted, 1 not started. The same command goes on" in err
    assert "Traceback" not in out + err
    until(lambda: not any(child.is_running() for child in children))
    assert run_folders(store) == []
    assert len(checkpoints(store)) == 2  # from where the same command goes on
    assert list(store.glob(".sweep*")) == []
    assert not (store / ".failed").exists()
