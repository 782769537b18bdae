"""Folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when the block ends, and never before.

    All files are on the disk (fsync) before the one rename, so that neither a kill nor a power cut leaves
    half a folder under the final name. A half-written one lies beside it as `.writing-<name>` and is cleared
    next time.

    Raises:
        FileExistsError: if `target` exists already.
    """
    writing = target.parent / f".writing-{target.name}"
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    yield writing
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    for path in [*writing.iterdir(), writing]:
        _sync(path)
    writing.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Push a file or a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
