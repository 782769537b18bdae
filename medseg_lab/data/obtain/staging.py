"""Where a data set is prepared: beside its final place, by one process at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from medseg_lab.data.obtain import Progress
from medseg_lab.data.obtain.disk import writing


@contextmanager
def staging(target: Path, progress: Progress) -> Iterator[Path]:
    """A hidden folder beside `target`, `.<name>.part`, for one process; others wait.

    It is on the target's file system, so that a rename publishes what is made in it. Afterwards its folders
    are removed. Its files, the downloads, stay for the next try, unless all went well or they were at fault
    (ValueError).

    Raises:
        RuntimeError: if nothing can be written there.
    """
    folder = target.parent / f".{target.name}.part"
    made = [p for p in (target.parent, *target.parent.parents) if not p.exists()]
    lock = FileLock(target.parent / f".{target.name}.lock")
    keep_downloads = True
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                progress(f"wait for another process that gets {target.name}", 0, None)
                lock.acquire()
            folder.mkdir(exist_ok=True)
            _clear(folder)
        try:
            yield folder
            keep_downloads = False
        except ValueError:
            keep_downloads = False
            raise
    finally:
        if lock.is_locked:
            _clear(folder)
            if not keep_downloads:
                shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(folder)
            # Who waits for the lock notices that its file is gone, and makes another.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        for parent in made:
            _remove_if_empty(parent)


def _clear(folder: Path) -> None:
    """Remove what is half done, but not the downloads."""
    for inside in folder.glob("*/"):
        shutil.rmtree(inside, ignore_errors=True)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
