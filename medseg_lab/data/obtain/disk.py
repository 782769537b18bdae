"""Writing to disk: free space, and the system's errors in plain words."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE = 32 * 10**6
"""Bytes that stay free on a disk that is written to."""

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report what goes wrong while `path` is written as one line.

    Raises:
        RuntimeError: naming `path`: a full disk, no permission, or what else the system reported.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            problem = f"the disk is full ({free(path) / 1e6:.0f} MB free)"
        elif error.errno in FORBIDDEN:
            problem = f"this user may not write there ({error.strerror})"
        else:
            problem = f"it cannot be written ({error.strerror or error})"
        raise RuntimeError(f"{path}: {problem}") from error


def require_space(path: Path, size: int) -> None:
    """Make sure that `size` more bytes fit on the disk of `path`.

    Raises:
        RuntimeError: if fewer are free, or no more than `SPARE` would be left.
    """
    if (there := free(path)) < size + SPARE:
        raise RuntimeError(
            f"{path}: expected {(size + SPARE) / 1e6:.0f} MB free on its disk, got {there / 1e6:.0f} MB"
        )


def free(path: Path) -> int:
    """Free bytes on the disk on which `path` is, or would be."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free
