"""Worker processes on this machine, as an executor that loses one job, not all, with a killed worker."""

import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from medseg_lab.sweeps.process import GRACE, Worker


class LocalPool(Executor):
    """As many single-process pools as there are workers; a killed worker's pool alone is made anew.

    The standard library's pool of several processes is broken for good once one of them is killed, with all
    that the others were at. Here the future of the killed worker's job raises `BrokenExecutor`.

    A worker lives no longer than this process, however that ends: it watches a pipe which only this process
    holds open. Ctrl-C reaches this process alone.

    Args:
        environments: one worker for each: what is added to its environment before anything is imported.
        logs: a folder for `worker-<n>.log`, into which a worker prints; None leaves its prints where they go.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]], logs: Path | None = None) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], Any, Any] | None]
        self._calls = queue.SimpleQueue()
        # Where multiprocessing starts its tracker, it unblocks SIGINT: not in a thread that has it blocked.
        resource_tracker.ensure_running()
        self._closed, self._stopping = False, threading.Event()
        self._workers = [
            Worker(environment, logs and logs / f"worker-{number}.log")
            for number, environment in enumerate(environments)
        ]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True) for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As `Executor.submit`; `fn` and its arguments are pickled."""
        if self._closed:
            raise RuntimeError("pool: got a call after shutdown, wanted none")
        future: Future[Any] = Future()
        self._calls.put((future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`."""
        if cancel_futures:
            self._cancel()
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def stop(self) -> None:
        """End the workers now, whatever they are at, and wait until they are gone."""
        self._stopping.set()
        for worker in self._workers:
            worker.let_go()
        self.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            thread.join(GRACE)
        for worker in self._workers:
            worker.kill()
        for thread in self._threads:
            thread.join()

    def _cancel(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            if call is not None:
                call[0].cancel()

    def _serve(self, worker: Worker) -> None:
        """A thread's life: hand one call after the other to its worker."""
        if hasattr(signal, "pthread_sigmask"):  # a worker that is not up yet inherits it
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while (call := self._calls.get()) is not None:
            future, function, args, kwargs = call
            if self._stopping.is_set():
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = worker.call(function, *args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
        worker.end()
