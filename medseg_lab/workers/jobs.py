"""Jobs as plain data, and what a worker does with one."""

import faulthandler
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from medseg_lab.training.provenance import digest

LOG = "MEDSEG_WORKER_LOG"
"""Variable with the file into which a worker of this machine prints."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Job:
    """What one call does, as plain data; a subclass adds its fields. Those that do not compare are words.

    Args:
        title: what people read; not part of the identity.
        threads: PyTorch's.
        gpus: CUDA cards, 0 or 1.
    """

    title: str = field(compare=False)
    threads: int
    gpus: int

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits, the same for the same job."""
        compared = {one.name for one in fields(self) if one.compare}
        said = {name: value for name, value in asdict(self).items() if name in compared}
        return digest([type(self).__name__, said])[:16]


@dataclass(frozen=True)
class Outcome:
    """The result of a job.

    Args:
        job: its id.
        key: of what the job made; "" where it failed.
        seconds: in the worker.
        replayed: whether the result existed already.
        host: the worker's machine.
        traceback: of the exception; "" where the job succeeded.
    """

    job: str
    key: str = ""
    seconds: float = 0.0
    replayed: bool = False
    host: str = ""
    traceback: str = ""

    @property
    def error(self) -> str:
        """The last line of the traceback; "" where there is none."""
        lines = self.traceback.strip().splitlines()
        return lines[-1] if lines else ""


JobFunction = Callable[..., tuple[str, bool]]
"""Called as `function(job, *arguments)` in a worker: the result's key, and whether it existed already."""


def perform(
    function: JobFunction, job: Job, arguments: tuple[Any, ...], environment: Mapping[str, str], topic: str
) -> Outcome:
    """Do a job in this process; an exception becomes part of the outcome."""
    host, start = socket.gethostname(), time.perf_counter()
    try:
        with conditions(job, environment):
            if topic:
                _announce(job, topic)
            key, replayed = function(job, *arguments)
    except Exception:
        return Outcome(job.id, host=host, traceback=traceback.format_exc())
    return Outcome(job.id, key, round(time.perf_counter() - start, 3), replayed, host)


@contextmanager
def conditions(job: Job, environment: Mapping[str, str]) -> Iterator[None]:
    """The threads and variables of a job, restored afterwards; one job at a time in a process.

    PyTorch's random generators belong to the process: two trainings in one would share them.
    """
    import torch

    with _one_at_a_time, variables({"OMP_NUM_THREADS": str(job.threads), **environment}):
        threads = torch.get_num_threads()
        torch.set_num_threads(job.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables, restored afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def announcement(job: Job) -> dict[str, Any]:
    """What there is to tell when this process begins a job."""
    said = {"title": job.title, "host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
    return {"job": job.id, **said}


def _announce(job: Job, topic: str) -> None:
    """Tell who listens to the topic that this Dask worker begins the job."""
    from distributed import get_worker

    get_worker().log_event(topic, {"began": announcement(job)})


def dask_setup(worker: Any) -> None:
    """Dask calls this first in a worker of this machine: prints, and the stack of a crash, go to its log."""
    with Path(os.environ[LOG]).open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable()
