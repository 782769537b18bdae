"""Workers that are kept from one call to the next: to start them and to import PyTorch takes seconds."""

import atexit
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from typing import Any

from medseg_lab.workers.cluster import Workers, environments, open_workers

VARIABLE = "MEDSEG_WORKERS"
"""How many processes train side by side, where nobody says: a number of 1 or more."""

_kept: dict[tuple[int, int, int], tuple[ExitStack, Workers]] = {}


class InProcess(Executor):
    """Calls in this very process, at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result of the call, which is over when this returns."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def kept_workers(most: int, threads: int = 1, gpus: int = 0, workers: int | None = None) -> Iterator[Workers]:
    """Workers of this machine, which stay for the next call; after an exception or Ctrl-C they are gone.

    A single job, or a single worker, is this process's own. No more are started than there are jobs; where a
    later call has more of them, others take their place.

    Args:
        most: how many jobs there are.
        threads, gpus: as in `medseg_lab.workers.cluster.open_workers`.
        workers: processes; None for what `MEDSEG_WORKERS` says, or as many as this machine carries.

    Raises:
        ValueError: for an impossible number.
        RuntimeError: if the processes end as they start.
    """
    number = len(environments(threads, gpus, asked() if workers is None else workers))
    needed = min(most, number)
    if needed == 1:
        yield Workers(InProcess(), "this process", in_process=True)
        return
    key = next((key for key in _kept if key[:2] == (threads, gpus) and needed <= key[2] <= number), None)
    if key is None:
        close_workers()
        key, stack = (threads, gpus, needed), ExitStack()
        _kept[key] = stack, stack.enter_context(open_workers(needed, threads, gpus, workers=needed))
    try:
        yield _kept[key][1]
    except BaseException:
        close_workers()
        raise


def asked() -> int | None:
    """The number of workers that the environment asks for; None where it says nothing.

    Raises:
        ValueError: for what is no number of 1 or more.
    """
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        return None
    if not said.isdecimal() or int(said) < 1:
        raise ValueError(f"{VARIABLE}: expected a number of 1 or more, got {said!r}")
    return int(said)


@atexit.register
def close_workers() -> None:
    """End the workers that are kept, if there are any."""
    while _kept:
        _kept.popitem()[1][0].close()
