"""Volumes in h5 files, by key, decoded in a process of their own.

Of 25,000 real ACDC files with a few bytes changed, six ended the process inside libhdf5 2.0 (segmentation
fault). Their kind is now refused beforehand (`h5_child.require_stored`), but the next may not be, and a
damaged file must not take a person's session with it. So one child (`h5_child`) decodes the h5 files of this
process, one after the other; it is given up when it dies or does not answer, and started again for the next.
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

from medseg_lab.data.readers.decode import claims, h5_child

TIMEOUT_S = 60.0
"""After so long without an answer there will be none."""


def read_h5(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The volumes `(Z, Y, X)` under `keys`, as stored.

    Nothing is unpickled, no other file is followed to, and no array is made before its shape, its chunks and
    its type have been looked at.

    Raises:
        ValueError: naming the file, what was seen and what was wanted; a missing key names those that are
            there.
        RuntimeError: if there can be no such process.
    """
    size = claims.size_of(path)
    claims.require_format(path, "HDF5")
    request = [str(path.resolve()), keys, claims.DEFLATE * size, claims.MAX_VOXELS]
    try:
        answer = _decoder.ask(json.dumps(request).encode() + b"\n")
    except TimeoutError:
        raise ValueError(
            f"{path}: got no end of it within {TIMEOUT_S:g} s, wanted a readable h5 file"
        ) from None
    except EOFError:
        raise ValueError(f"{path}: got a file on which libhdf5 fails, wanted a readable h5 file") from None
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
            EOFError: if the child died of it.
            TimeoutError: if it was ended for want of an answer.
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
                raise RuntimeError(f"{command[0]}: got {error}, wanted a process to read h5 in") from None
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


def _forget() -> None:
    """A forked process must not talk to its parent's child."""
    global _decoder
    _decoder = _Decoder()


_decoder = _Decoder()
atexit.register(lambda: _decoder.stop())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
