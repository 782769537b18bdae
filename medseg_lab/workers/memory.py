"""How much memory this process and all that it started take together."""

import threading
import time
from functools import cache

import psutil

SECONDS = 1.0
"""Between two samples; what is taken and freed in between is not seen."""


class PeakMemory:
    """The most memory that this process and its children took together, in MB (1e6), since `watch`.

    What they share, such as the libraries' code and mapped cohorts, counts once where the system tells
    (Linux), and not at all elsewhere.
    """

    def __init__(self) -> None:
        self._most = 0.0

    @property
    def mb(self) -> float:
        """So far."""
        self._most = max(self._most, taken() / 1e6)
        return self._most

    def watch(self) -> None:
        """Look every so often, for as long as the process lives."""
        while True:
            time.sleep(SECONDS)
            _ = self.mb


@cache
def peak_memory() -> PeakMemory:
    """That of this process: one thread watches it from the first call on."""
    found = PeakMemory()
    threading.Thread(target=found.watch, daemon=True, name="peak memory").start()
    return found


def taken() -> int:
    """The bytes that this process and its children take now."""
    here = psutil.Process()
    return sum(_bytes(process) for process in (here, *here.children(recursive=True)))


def _bytes(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except psutil.Error:  # it has ended, or is another user's
        return 0
    return int(getattr(found, "pss", found.uss))
