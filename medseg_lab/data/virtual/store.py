"""Arrays in the user cache: one file a subject, written completely, checked when read."""

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
"""What `numpy.load` and `zipfile` raise for a file that is cut, changed, or no archive of plain arrays."""


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write `arrays` to a temporary file, then rename it: a reader finds the complete file or none.

    Raises:
        RuntimeError: if the folder cannot be written.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        Path(temporary).replace(path)
    except OSError as error:
        raise RuntimeError(f"{path}: cannot write to the cache: {error.strerror}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load(path: Path, expected: dict[str, tuple[tuple[int, ...], type]]) -> dict[str, np.ndarray]:
    """The arrays of a file that `save` wrote, of the expected shapes and types; checksums are verified.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in expected}
    except DAMAGED as error:
        raise ValueError(_damaged(path, (str(error).splitlines() or [type(error).__name__])[0])) from None
    for name, (shape, kind) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != kind:
            found = f"{name} {arrays[name].shape} {arrays[name].dtype}"
            raise ValueError(_damaged(path, found, f"{shape} {np.dtype(kind)}"))
    return arrays


def _damaged(path: Path, found: str, expected: str = "complete arrays") -> str:
    return f"{path}: expected {expected}, got {found}; delete it to make it again"
