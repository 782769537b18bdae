"""Who does the work: processes of this machine, or a Dask cluster."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.evaluation.wording import counted
from medseg_lab.sweeps.grid import Grid


@dataclass(frozen=True)
class Hands:
    """Workers.

    Args:
        executor: takes the jobs.
        neighbours: how many workers share a machine.
        description: who they are, in words.
        stop: ends what can be ended at once.
        endless: whether a running job goes on after `stop`.
    """

    executor: Executor
    neighbours: int
    description: str
    stop: Callable[[], None]
    endless: bool = False


@contextmanager
def hired(
    grid: Grid, desk: Path, workers: int | None, scheduler: str | None, executor: Executor | None
) -> Iterator[Hands]:
    """The workers of a sweep, gone at the end; but an executor that was given is left as it is.

    Raises:
        ValueError: for a number of workers that cannot be, or more than one kind.
        RuntimeError: if the scheduler does not answer.
    """
    kinds = {"workers": workers, "scheduler": scheduler, "executor": executor}
    if sum(value is not None for value in kinds.values()) > 1:
        said = ", ".join(f"{name}={value}" for name, value in kinds.items() if value is not None)
        raise ValueError(f"workers: got {said}, wanted one of them")
    with _chosen(grid, desk, workers, scheduler, executor) as hands:
        try:
            yield hands
        except BaseException:
            with _deaf():
                hands.stop()
            raise


def _chosen(
    grid: Grid, desk: Path, workers: int | None, scheduler: str | None, executor: Executor | None
) -> AbstractContextManager[Hands]:
    if executor is not None:
        what = f"{type(executor).__name__}, {counted(grid.threads, 'thread')} each"
        return nullcontext(Hands(executor, 1, what, lambda: None, endless=True))
    return _local(grid, workers, desk) if scheduler is None else _cluster(grid, scheduler)


@contextmanager
def _local(grid: Grid, workers: int | None, desk: Path) -> Iterator[Hands]:
    from medseg_lab.sweeps.pool import LocalPool

    places = environments(grid, workers)
    pool = LocalPool(places, desk)
    what = f"{counted(len(places), 'worker')} of this machine, {counted(grid.threads, 'thread')} each"
    what += ", a CUDA card each" if grid.gpus else ", on the CPU"
    yield Hands(pool, len(places), what, pool.stop)
    pool.shutdown(wait=True)


@contextmanager
def _cluster(grid: Grid, address: str) -> Iterator[Hands]:
    from medseg_lab.sweeps.cluster import connected, executor, most_neighbours

    with connected(address) as client:
        found, known = executor(client, grid.gpus), len(client.scheduler_info(n_workers=-1)["workers"])
        said = f"the Dask scheduler at {address}, {counted(known, 'worker')} so far"
        said += f", {counted(grid.threads, 'thread')} each"
        yield Hands(found, most_neighbours(client), said, lambda: found.shutdown(wait=False), endless=True)
        found.shutdown(wait=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Inside, a second Ctrl-C does not cut short what the first one began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def environments(grid: Grid, workers: int | None) -> list[dict[str, str]]:
    """One environment a local worker: its threads and, where the grid wants them, its card.

    Raises:
        ValueError: for a number that cannot be.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: got {workers}, wanted 1 or more")
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    threads = dict.fromkeys(names, str(grid.threads)) | {"MEDSEG_PROGRESS": "0"}
    if not grid.gpus:
        hidden = threads | {"CUDA_VISIBLE_DEVICES": "-1"}
        return [hidden] * (workers or max(1, cores() // grid.threads))
    cards = visible_cards()
    if not cards:
        raise ValueError("gpus: got 1, but this machine shows no CUDA card; wanted one, or gpus = 0")
    if workers is not None and workers > len(cards):
        raise ValueError(f"workers: got {workers}, wanted {len(cards)} or fewer: every run takes a card")
    return [threads | {"CUDA_VISIBLE_DEVICES": card} for card in cards[:workers]]


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_cards() -> list[str]:
    """The CUDA cards that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [card for card in said.split(",") if card.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
