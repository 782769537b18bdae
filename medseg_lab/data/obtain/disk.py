"""Room on disk, and what goes wrong in writing, in words."""

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
    """Turns what the system says about writing `path` into one line.

    Raises:
        RuntimeError: naming `path`: a full disk, no permission, or whatever else the system said.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RuntimeError(
                f"{path}: got a full disk ({free(path) / 1e6:.0f} MB free), wanted room for it"
            ) from error
        if error.errno in FORBIDDEN:
            raise RuntimeError(
                f"{path}: got {error.strerror!r}, wanted a folder in which this user may write"
            ) from error
        raise RuntimeError(f"{path}: got {error.strerror or error}, wanted to write it") from error


def require_room(path: Path, size: int) -> None:
    """Make sure that `size` more bytes may be written at `path`.

    Raises:
        RuntimeError: if they, and a little to spare, are not free.
    """
    if free(path) < size + SPARE:
        raise RuntimeError(
            f"{path}: got {free(path) / 1e6:.0f} MB free on its disk, wanted {(size + SPARE) / 1e6:.0f} MB"
        )


def free(path: Path) -> int:
    """Free bytes on the disk that holds `path`, or would."""
    here = path.absolute()
    while not here.exists():
        here = here.parent
    return shutil.disk_usage(here).free
