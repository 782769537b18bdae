"""Arrays in the user cache: one file each subject, written whole, checked when read."""

import os
import tempfile
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

DAMAGED = (
    *(ValueError, TypeError, KeyError, OSError, EOFError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What `numpy.load` and `zipfile` raise on a file that is cut, changed, or no archive of plain arrays."""


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write `arrays` aside, then rename: a reader finds the whole file or none.

    Raises:
        RuntimeError: if the folder cannot be written.
    """
    aside: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        Path(aside).replace(path)
    except OSError as error:
        raise RuntimeError(f"{path}: got {error.strerror}, wanted a cache with room to write") from None
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)


def load(path: Path, wanted: dict[str, tuple[tuple[int, ...], type]]) -> dict[str, np.ndarray]:
    """The arrays of a file that `save` left, of the wanted shapes and types; their checksums are verified.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in wanted}
    except DAMAGED as error:
        raise ValueError(_again(path, (str(error).splitlines() or [type(error).__name__])[0])) from None
    for name, (shape, kind) in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != kind:
            seen = f"{name} {arrays[name].shape} {arrays[name].dtype}"
            raise ValueError(_again(path, seen, f"{shape} {np.dtype(kind)}"))
    return arrays


def _again(path: Path, seen: str, wanted: str = "whole arrays") -> str:
    return f"{path}: got {seen}, wanted {wanted}; delete it and it is made again"
