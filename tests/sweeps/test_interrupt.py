"""Ctrl-C, for real."""

import os
import signal
import subprocess
import sys

import pytest

from tests.sweeps.sweep_toys import TINY, grid_file, lives, run_folders, training_now, until

COMMAND = """
import signal
from medseg_lab.cli.app import app
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may have it ignored
    app()
"""
SLOW = {"steps": 100_000, "checkpoint_seconds": 0.01}


@pytest.fixture
def start(tmp_path, root):
    """Starts `medseg sweep` in a session of its own, as in a terminal, with trainings without end."""
    begun: list[subprocess.Popen[str]] = []

    def sweeping(*options: str) -> subprocess.Popen[str]:
        grid = grid_file(tmp_path, budget=SLOW, seeds=3, recipes={"tiny": TINY})
        command = [
            sys.executable,
            "-c",
            COMMAND,
            "sweep",
            str(grid),
            "--store",
            str(tmp_path / "store"),
            *options,
        ]
        begun.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root)},
                start_new_session=True,
            )
        )
        return begun[-1]

    yield sweeping
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = subprocess.run(["ps", "-eo", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in found.splitlines()]
    return [pid for pid, its in pairs if its == group and lives(pid)]


def test_ctrl_c_ends_the_workers_and_says_how_it_stands(tmp_path, start):
    sweeping = start("--workers", "2")

    def both() -> bool:
        running = list((tmp_path / "store").glob(".running/*/*.json"))
        return len(running) == 2 and training_now(tmp_path / "store") is not None

    until(both)
    assert len(members(sweeping.pid)) >= 3
    os.killpg(sweeping.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = sweeping.communicate(timeout=120)
    assert sweeping.returncode == 130
    assert "stopped: 0 done, 0 failed, 2 interrupted, 1 not started. The same command goes on" in out
    assert "Traceback" not in out + err
    until(lambda: not members(sweeping.pid))  # those who serve the others end last
    assert run_folders(tmp_path / "store") == []
    assert list((tmp_path / "store").glob(".partial/*/step-*"))  # from where the same command goes on
    assert not (tmp_path / "store" / ".failed").exists()


def test_ctrl_c_before_the_first_worker_is_up_is_as_quiet(tmp_path, start):
    sweeping = start("--workers", "2")
    until(lambda: list((tmp_path / "store").glob(".running/*/here")))
    os.killpg(sweeping.pid, signal.SIGINT)
    out, err = sweeping.communicate(timeout=120)
    assert sweeping.returncode == 130
    assert "stopped" in out
    assert "Traceback" not in out + err
    until(lambda: not members(sweeping.pid))  # those who serve the others end last


def test_ctrl_c_leaves_to_the_cluster_what_it_is_at(tmp_path, start, cluster):
    (worker,) = cluster.work(1)
    sweeping = start("--scheduler", cluster.address)
    until(lambda: training_now(tmp_path / "store"))
    os.killpg(sweeping.pid, signal.SIGINT)
    out, err = sweeping.communicate(timeout=120)
    assert sweeping.returncode == 130
    assert "stopped: 0 done, 0 failed, 1 left running on the cluster, 2 not started" in out
    assert "Traceback" not in out + err
    until(lambda: not members(sweeping.pid))  # those who serve the others end last
    assert worker.poll() is None
