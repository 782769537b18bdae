"""A Dask cluster of real processes on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.sweeps.sweep_toys import until


@dataclass
class Cluster:
    """A scheduler's address and the processes of it and its workers."""

    folder: Path
    root: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start one of Dask's commands."""
        number = len(self.processes)
        with (self.folder / f"dask-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--no-dashboard"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"},
            )
        self.processes.append(process)
        return process

    def schedule(self) -> None:
        """Start the scheduler, and wait for its address."""
        file = self.folder / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        until(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        import json

        self.address = json.loads(file.read_text())["address"]

    def work(self, workers: int, *options: str) -> list[subprocess.Popen[bytes]]:
        """Start workers without nannies, and wait until the scheduler knows them."""
        from distributed import Client

        where = ("--local-directory", str(self.folder / "scratch"))
        begun = [
            self.start("worker", self.address, "--no-nanny", *where, *(options or ("--nthreads", "1")))
            for _ in range(workers)
        ]
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.processes) - 1, timeout=120)
        return begun


@pytest.fixture
def cluster(tmp_path: Path, root: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    folder = tmp_path / "dask"
    folder.mkdir()
    made = Cluster(folder, root)
    try:
        made.schedule()
        yield made
    finally:
        for process in reversed(made.processes):
            process.kill()
            process.wait()
