"""Arrays prepared once and kept on disk: an entry is a folder of `.npy` files, complete or absent."""

import hashlib
import math
import mmap
import os
import shutil
import tempfile
import time
import tokenize
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path

import numpy as np

from medseg_lab.data.locate import cache_folder

ABANDONED_SECONDS = 3600.0
"""A temporary folder that was not changed for so long was left by a process that was killed."""

UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, MemoryError, tokenize.TokenError)
"""What numpy raises for a file that is no complete array; its header is parsed as Python literals."""


def folder() -> Path:
    """Where the entries are; any of it may be deleted and is then prepared again."""
    return cache_folder("prepared")


def write(key: str, arrays: dict[str, np.ndarray]) -> None:
    """Keep `arrays` as the entry `key`, unless it exists; written to a temporary folder, then renamed.

    Where two processes write the same entry, the first to finish wins.

    Raises:
        RuntimeError: if the disk is full or may not be written.
    """
    home = folder()
    if (home / key).is_dir():
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(home, key)
        temporary = Path(tempfile.mkdtemp(dir=home, prefix=f"{key}.", suffix=".part"))
        try:
            for name, array in arrays.items():
                with (temporary / f"{name}.npy").open("wb") as stream:
                    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
            temporary.rename(home / key)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if not (home / key).is_dir():
            size = sum(array.nbytes for array in arrays.values()) / 1e6
            raise RuntimeError(f"{home}: cannot write {size:.0f} MB there: {error}") from None


@dataclass(frozen=True)
class Stored:
    """An array of an entry. Its header is read once, which makes mapping the file ten times faster.

    Raises:
        ValueError: if the file is not one complete array of the expected `kind`.
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
        """The array, mapped, not read; changes stay in memory. Memory is freed with the array."""
        shape, first = self.header
        expected = first + math.prod(shape) * np.dtype(self.kind).itemsize
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != expected:
                    raise ValueError(f"{size} bytes where the header says {expected}")
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise ValueError(damaged(self.path, str(error))) from None
        return np.frombuffer(content, self.kind, offset=first).reshape(shape)


def read_small(path: Path) -> np.ndarray:
    """The array in `path`, in memory; it may be empty, which cannot be mapped.

    Raises:
        ValueError: if the file is not a complete array.
    """
    try:
        with path.open("rb") as stream:
            array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except UNREADABLE as error:
        raise ValueError(damaged(path, str(error))) from None
    return array


def damaged(path: Path, found: str) -> str:
    """The message about an entry's file that is not what was written."""
    return f"{path}: expected a complete array, got {found}; delete {path.parent} to prepare it again"


@cache
def source_digest(*names: str) -> str:
    """SHA-256 of the source of these modules of `medseg_lab.data`, and of all modules in these packages."""
    digest = hashlib.sha256()
    for name in names:
        path = Path(str(resources.files("medseg_lab.data") / name))
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _remove_abandoned(home: Path, key: str) -> None:
    """Remove what killed processes left of this entry."""
    for left in home.glob(f"{key}.*.part"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
