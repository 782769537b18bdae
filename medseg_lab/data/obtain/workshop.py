"""Where a data set is made ready: beside its final place, by one process at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.obtain.progress import Progress


@dataclass(frozen=True)
class Workshop:
    """The hidden folder `.<name>.part` beside `target`: on one file system, so that a rename is enough."""

    target: Path

    @property
    def folder(self) -> Path:
        """Has the fetched archives, which outlive a failure that another try may mend."""
        return self.target.parent / f".{self.target.name}.part"

    @property
    def unpacked(self) -> Path:
        """What came out of the archives."""
        return self.folder / "unpacked"

    @property
    def laid_out(self) -> Path:
        """What becomes the target."""
        return self.folder / "laid-out"

    def publish(self) -> None:
        """Give what was laid out its final place, which is free or an empty folder.

        Raises:
            RuntimeError: if it has been taken meanwhile, or for the disk.
        """
        with writing(self.target):
            self.laid_out.rename(self.target)

    def clear(self) -> None:
        """Drop what is half done, but not what was fetched."""
        for folder in (self.unpacked, self.laid_out):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def workshop(target: Path, progress: Progress) -> Iterator[Workshop]:
    """A workshop for `target`, alone; other processes wait. Afterwards nothing is left but what was fetched.

    What was fetched goes, too, if all went well or if it was at fault (ValueError).

    Raises:
        RuntimeError: if nothing can be written there.
    """
    place = Workshop(target)
    made = [p for p in (target.parent, *target.parent.parents) if not p.exists()]
    lock = FileLock(target.parent / f".{target.name}.lock")
    spent = False
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _acquire(lock, target, progress)
            place.clear()
            place.folder.mkdir(exist_ok=True)
        try:
            yield place
            spent = True
        except ValueError:
            spent = True
            raise
    finally:
        if lock.is_locked:
            _leave(place, spent)
            # Who waits for the lock sees that its file is gone, and makes another.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        for folder in made:
            _drop_empty(folder)


def _acquire(lock: FileLock, target: Path, progress: Progress) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress(f"wait for another process that gets {target.name}", 0, None)
        lock.acquire()


def _leave(place: Workshop, spent: bool) -> None:
    place.clear()
    if spent:
        shutil.rmtree(place.folder, ignore_errors=True)
    _drop_empty(place.folder)


def _drop_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it, and none that has."""
    try:
        folder.rmdir()
    except OSError:
        return
