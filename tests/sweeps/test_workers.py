"""The same runs, bit by bit, whoever makes them; and each of them once, whoever dies."""

import os
import signal
import threading
from pathlib import Path

import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.sweeps.summary import Summary
from medseg_lab.sweeps.sweep import sweep
from tests.sweeps.sweep_toys import TINY, bits, grid_file, lives, run_folders, training_now, until

TWO = {"tiny": TINY, "other": "Supervised(network=UNet(features=[4, 6]), spatial_dims=2)"}
LONG = {"steps": 60, "checkpoint_seconds": 0.01}


def test_one_worker_two_workers_and_dask_make_the_same_bits(tmp_path, cluster):
    grid = grid_file(tmp_path, recipes=TWO)
    cluster.work(2)
    ways = {"one": {"workers": 1}, "two": {"workers": 2}, "dask": {"scheduler": cluster.address}}
    made = {}
    for name, way in ways.items():
        summary = sweep(grid, store=tmp_path / "stores" / name, **way)
        assert (summary.made, summary.failures) == (4, ())
        made[name] = bits(tmp_path / "stores" / name)
    assert len(made["one"]) == 4
    assert made["one"] == made["two"] == made["dask"]


def swept_with_a_killed_worker(grid: Path, **way) -> tuple[int, Summary]:
    """The number of the process that was killed in the middle of a training, and what came of the sweep."""
    killed: list[int] = []

    def kill() -> None:
        killed.append(until(lambda: training_now(grid.parent / "store"))["pid"])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = sweep(grid, store=grid.parent / "store", **way)
    killer.join()
    return killed[0], summary


def assert_each_run_is_there_once(summary: Summary) -> None:
    runs = read_ledger(summary.store).runs
    assert (summary.made, summary.failures) == (4, ())
    assert sorted(zip(runs["recipe"], runs["seed"], strict=True)) == [
        (recipe, seed) for recipe in sorted(TWO.values()) for seed in (0, 1)
    ]
    assert len(run_folders(summary.store)) == 4
    assert list((summary.store / ".running").iterdir()) == []


def test_a_local_worker_that_is_killed_costs_nothing_but_time(tmp_path):
    grid = grid_file(tmp_path, recipes=TWO, budget=LONG)
    victim, summary = swept_with_a_killed_worker(grid, workers=2)
    assert_each_run_is_there_once(summary)
    assert not lives(victim)
    assert not (tmp_path / "store" / ".failed").exists()


def test_a_dask_worker_that_is_killed_costs_nothing_but_time(tmp_path, cluster):
    workers = cluster.work(2)
    grid = grid_file(tmp_path, recipes=TWO, budget=LONG)
    victim, summary = swept_with_a_killed_worker(grid, scheduler=cluster.address)
    assert victim in [worker.pid for worker in workers]
    assert_each_run_is_there_once(summary)


def test_a_worker_with_several_threads_is_refused(tmp_path, cluster):
    cluster.work(1, "--nthreads", "2")
    with pytest.raises(ValueError, match=r"got worker tcp://.* with 2 threads, wanted 1"):
        sweep(grid_file(tmp_path), store=tmp_path / "store", scheduler=cluster.address)


def test_a_card_each_needs_workers_that_offer_one(tmp_path, cluster):
    cluster.work(1)
    with pytest.raises(ValueError, match=r"without the resource GPU, wanted it, as gpus = 1"):
        sweep(grid_file(tmp_path, gpus=1), store=tmp_path / "store", scheduler=cluster.address)


def test_a_card_each_goes_to_the_worker_that_offers_it(cluster):
    from medseg_lab.sweeps.cluster import connected, executor

    cluster.work(1)
    (with_card,) = cluster.work(1, "--nthreads", "1", "--resources", "GPU=1")
    with connected(cluster.address) as client:
        chosen = executor(client, gpus=1)
        found = [chosen.submit(os.getpid).result(timeout=120) for _ in range(4)]
    assert found == [with_card.pid] * 4


def test_a_scheduler_that_dies_ends_the_sweep_and_what_is_done_stays_done(tmp_path, cluster, capfd):
    cluster.work(1)
    grid = grid_file(tmp_path, budget=LONG)

    def kill() -> None:
        until(lambda: training_now(tmp_path / "store"))
        cluster.processes[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match="scheduler: got a lost connection"):
        sweep(grid, store=tmp_path / "store", scheduler=cluster.address)
    killer.join()
    assert "Traceback" not in capfd.readouterr().err


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    from medseg_lab.sweeps import cluster

    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(RuntimeError, match=r"scheduler: got no answer at tcp://127\.0\.0\.1:9"):
        sweep(grid_file(tmp_path), store=tmp_path / "store", scheduler="tcp://127.0.0.1:9")
