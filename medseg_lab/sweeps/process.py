"""One worker process, which lives no longer than the process that started it."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

GRACE = 20.0
"""Seconds that a worker has to end in before it is killed."""


class NoWorkerError(RuntimeError):
    """A worker process ended before it could do anything."""


class Worker:
    """One process, started when it is first needed and again after it was killed."""

    def __init__(self, environment: Mapping[str, str], log: Path | None) -> None:
        self._environment, self._log = dict(environment), log
        self._pool: ProcessPoolExecutor | None = None
        self._line: Connection | None = None
        self._pid, self._stopped = 0, False

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function's result from the process.

        Raises:
            BrokenExecutor: if the process is killed before it has one.
            NoWorkerError: if it cannot be started.
        """
        try:
            return self._ready().submit(_call, function, args, kwargs).result()
        except BrokenExecutor as error:
            self.end()
            if last := self._last_lines():
                error.add_note(f"the last that the worker printed:\n{last}")
            raise

    def _ready(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            end, self._line = context.Pipe(duplex=False)
            if self._stopped:
                self._line.close()
            arguments = (self._environment, self._log, end)
            self._pool = ProcessPoolExecutor(1, context, _begin, arguments)
            try:
                self._pid = self._pool.submit(os.getpid).result()
            except BrokenExecutor as error:
                raise NoWorkerError(
                    "workers: got one that ended as it started, wanted it to live; in a script, sweep() "
                    "belongs under `if __name__ == '__main__':`"
                ) from error
            finally:
                end.close()
        return self._pool

    def _last_lines(self) -> str:
        """The end of the log: what a crash in native code leaves there."""
        if self._log is None or not self._log.is_file():
            return ""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])

    def let_go(self) -> None:
        """The worker sees the end of its line, and ends."""
        self._stopped = True
        if self._line is not None:
            self._line.close()

    def kill(self) -> None:
        """For a worker that did not end by itself."""
        for process in multiprocessing.active_children():
            if process.pid == self._pid:
                process.kill()

    def end(self) -> None:
        """Wait for the process to end; it will be started again when it is needed."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        if self._line is not None:
            self._line.close()


def _begin(environment: dict[str, str], log: Path | None, line: Connection) -> None:
    """Runs first in a worker."""
    os.environ.update(environment)
    if log is not None:
        with log.open("ab") as file:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch, args=(line,), daemon=True).start()


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call; a process that is to leave does so as soon as its call is unwound."""
    try:
        return function(*args, **kwargs)
    finally:
        if _leaving.is_set():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


_leaving = threading.Event()


def _leave(*_: Any) -> None:
    _leaving.set()
    raise SystemExit(1)


def _watch(line: Connection) -> None:
    """Wait for the sweep to let go or to die; then unwind what runs, so that a chapter's kernel ends, too."""
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(GRACE)
        os._exit(1)
