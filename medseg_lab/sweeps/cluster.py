"""Workers of a Dask cluster, as an executor."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 20


@contextmanager
def connected(address: str) -> "Iterator[Client]":
    """A client of the scheduler at `address`.

    Raises:
        RuntimeError: if Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise RuntimeError(
            "scheduler: got no dask.distributed, wanted it: pip install 'medseg-lab[cluster]'"
        ) from None
    # a lost connection is told in one line, not with Dask's own traceback
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"scheduler: got no answer at {address} ({error}), wanted a Dask scheduler"
        ) from None
    with client:
        yield client


def executor(client: "Client", gpus: int) -> Executor:
    """The cluster as an executor; a call takes a worker's resource GPU for itself where the grid wants one.

    Raises:
        ValueError: if a worker would do several jobs at once in one process, or all are without the resource.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    for address, worker in workers.items():
        if worker["nthreads"] != 1:
            raise ValueError(
                f"scheduler: got worker {address} with {worker['nthreads']} threads, wanted 1: two runs in "
                f"one process would share their random numbers (dask worker --nthreads 1 --nworkers N)"
            )
    if gpus and workers and not any(worker["resources"].get("GPU") for worker in workers.values()):
        raise ValueError(
            "scheduler: got workers without the resource GPU, wanted it, as gpus = 1 "
            "(dask worker --nthreads 1 --resources GPU=1)"
        )
    found: Executor = client.get_executor(pure=False, **resources(gpus))
    return found


def resources(gpus: int) -> dict[str, Any]:
    """What a call takes of a worker."""
    return {"resources": {"GPU": gpus}} if gpus else {}


def most_neighbours(client: "Client") -> int:
    """How many workers there are on the machine that has most of them."""
    hosts = [worker["host"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    return max((hosts.count(host) for host in hosts), default=1)
