"""Arrays that are prepared once and kept on disk: an entry is a folder of `.npy` files, whole or absent."""

import math
import mmap
import os
import shutil
import tempfile
import time
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from medseg_lab.data.locate import cache_folder

ABANDONED_SECONDS = 3600.0
"""What was written aside and not touched for so long was left by a process that was killed."""

UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, MemoryError, tokenize.TokenError)
"""What numpy raises of a file that is no whole array; its header is read as Python's literals are."""


def folder() -> Path:
    """Where the entries are; delete any of it and it is prepared anew."""
    return cache_folder("prepared")


def write(key: str, arrays: dict[str, np.ndarray]) -> None:
    """Keep `arrays` as the entry `key`, unless it is there; written aside, then renamed.

    Two processes may write the same: the first to be done wins.

    Raises:
        RuntimeError: if the disk is full or may not be written.
    """
    home = folder()
    if (home / key).is_dir():
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        _sweep(home, key)
        aside = Path(tempfile.mkdtemp(dir=home, prefix=f"{key}.", suffix=".part"))
        try:
            for name, array in arrays.items():
                with (aside / f"{name}.npy").open("wb") as stream:
                    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
            aside.rename(home / key)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        if not (home / key).is_dir():
            size = sum(array.nbytes for array in arrays.values()) / 1e6
            raise RuntimeError(f"{home}: got {error}, wanted {size:.0f} MB written there") from None


@dataclass(frozen=True)
class Stored:
    """An array of an entry. Its header is read once: to map the file then takes a tenth of the time.

    Raises:
        ValueError: if the file is not one whole array of the `kind` wanted.
    """

    path: Path
    kind: type

    @cached_property
    def header(self) -> tuple[tuple[int, ...], int]:
        """Shape, and the byte at which the array begins."""
        try:
            array = np.lib.format.open_memmap(self.path, mode="r")
        except UNREADABLE as error:
            raise ValueError(damaged(self.path, str(error))) from None
        if array.dtype != self.kind or not array.flags.c_contiguous:
            raise ValueError(damaged(self.path, f"{array.dtype} of shape {array.shape}"))
        return array.shape, array.offset

    def open(self) -> np.ndarray:
        """The array, mapped, not read; changes to it stay in memory. What was read is let go with it."""
        shape, first = self.header
        wanted = first + math.prod(shape) * np.dtype(self.kind).itemsize
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != wanted:
                    raise ValueError(f"{size} bytes where the header says {wanted}")
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise ValueError(damaged(self.path, str(error))) from None
        return np.frombuffer(content, self.kind, offset=first).reshape(shape)


def read_small(path: Path) -> np.ndarray:
    """The array in `path`, in memory; it may be empty, which cannot be mapped.

    Raises:
        ValueError: if the file is not a whole array.
    """
    try:
        with path.open("rb") as stream:
            array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except UNREADABLE as error:
        raise ValueError(damaged(path, str(error))) from None
    return array


def damaged(path: Path, seen: str) -> str:
    """The message about an entry's file that is not what was written."""
    return f"{path}: got {seen}, wanted a whole array; delete {path.parent} and it is prepared anew"


def _sweep(home: Path, key: str) -> None:
    """Remove what killed processes left of this entry."""
    for left in home.glob(f"{key}.*.part"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
