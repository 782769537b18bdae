"""Volumes in h5 files, by key, decoded in a process of their own.

Of 25,000 real ACDC files with a few bytes changed, six ended the process inside libhdf5 2.0 (segmentation
fault). Such files are now refused beforehand (`h5_child.require_stored`), but others may exist, and a damaged
file must not end a user's session. So a child process (`h5_child`) decodes the h5 files of this process, one
after the other; if it dies or does not answer, the file is refused and the next one gets a new child.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np

from medseg_lab.data.readers.decode import file_checks, h5_child

TIMEOUT_S = 60.0
"""How long to wait for one file."""


def read_h5(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The volumes `(Z, Y, X)` under `keys`, as stored.

    Nothing is unpickled, no link to another file is followed, and no array is allocated before its shape,
    chunks and type are checked.

    Raises:
        ValueError: naming the file, what was expected and what it holds; for a missing key, those that exist.
        RuntimeError: if the process cannot be started.
    """
    size = file_checks.size_of(path)
    file_checks.require_format(path, "HDF5")
    request = [str(path.resolve()), keys, file_checks.DEFLATE * size, file_checks.MAX_VOXELS]
    try:
        answer = _decoder.ask(json.dumps(request).encode() + b"\n")
    except TimeoutError:
        raise ValueError(f"{path}: reading the h5 file timed out after {TIMEOUT_S:g} s") from None
    except EOFError:
        raise ValueError(f"{path}: expected a readable h5 file, got one on which libhdf5 fails") from None
    if isinstance(answer, str):
        raise ValueError(f"{path}: {answer}")
    return dict(zip(keys, answer, strict=True))


class _Decoder:
    """The child process, started when it is first asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes) -> list[np.ndarray] | str:
        """The volumes, or what is wrong with the file.

        Raises:
            EOFError: if the child died.
            TimeoutError: if it did not answer in time.
        """
        with self.lock:
            process, late = self._running(), threading.Event()

            def give_up() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(TIMEOUT_S, give_up)
            timer.start()
            try:
                return _exchange(process.stdin, process.stdout, request)
            except BaseException as error:
                self.stop()  # also when interrupted: half an answer may be in the pipe
                if isinstance(error, OSError | EOFError | ValueError):
                    raise (TimeoutError if late.is_set() else EOFError) from None
                raise
            finally:
                timer.cancel()

    def stop(self) -> None:
        """End the child, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.stop()
            command = [sys.executable, "-P", h5_child.__file__]
            pipe, silent = subprocess.PIPE, subprocess.DEVNULL
            try:
                self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent)
            except OSError as error:
                raise RuntimeError(
                    f"{command[0]}: cannot start a process to read h5 files: {error}"
                ) from None
        return self.process


def _exchange(to: IO[bytes] | None, back: IO[bytes] | None, request: bytes) -> list[np.ndarray] | str:
    assert to is not None
    assert back is not None
    to.write(request)
    to.flush()
    answer = json.loads(back.readline())
    return answer if isinstance(answer, str) else [_received(back, *said) for said in answer]


def _received(stream: Any, shape: list[int], dtype: str, size: int) -> np.ndarray:
    stored = np.empty(size, np.uint8)
    if stream.readinto(stored.data) < size:
        raise EOFError
    return stored.view(dtype).reshape(shape)


def _new_decoder() -> None:
    """A forked process must not use its parent's child."""
    global _decoder
    _decoder = _Decoder()


_decoder = _Decoder()
atexit.register(lambda: _decoder.stop())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_decoder)
