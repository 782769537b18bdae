"""The store of finished runs: immutable folders, found again by their key."""

import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from medseg_lab.data.whole_file import write_whole
from medseg_lab.training.durable import whole_folder
from medseg_lab.training.key import training_key
from medseg_lab.training.left_out import a_few, of_other_versions, reason
from medseg_lab.training.own_files import digests
from medseg_lab.training.record import OtherVersion, RunRecord
from medseg_lab.training.run import CASES, CURVES, LABEL_MAPS, PSEUDO_LABELS, RECORD, WEIGHTS, Run

if TYPE_CHECKING:
    import pandas as pd

    from medseg_lab.training.curves import Curves
    from medseg_lab.training.label_maps import LabelMaps
    from medseg_lab.training.segmenter import Segmenter

__all__ = ["Run", "RunStore", "run_store"]

TRAINED = ".trained"
"""The folder that tells which run has a training."""
CLOCK = 60.0
"""Seconds by which the clocks of machines that share a store may differ."""


class RunStore:
    """A folder of runs, shared by any number of processes.

    Finished runs are its sub-folders, named by the first 16 digits of their keys. Of a training, by its key
    (`training_key`), the unfinished work is in `.partial/<key>`, the lock in `.locks`, and the key of a run
    that has it in `.trained/<key>`. A killed process's lock falls open by itself.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser()

    def folder(self, key: str) -> Path:
        """Where the run with this key is, or will be."""
        return self.root / key[:16]

    def partial(self, key: str) -> Path:
        """Where the unfinished work of the training with this key is."""
        return self.root / ".partial" / key

    def make(self) -> None:
        """Make its folder, if it is not there.

        Raises:
            RuntimeError: if it cannot be made, or it is a file.
        """
        with self._in_use():
            self.root.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Inside, what the system refuses is an error that names the store.

        Raises:
            RuntimeError: in place of an OSError.
        """
        try:
            yield
        except OSError as error:
            reason = "it is a file" if self.root.is_file() else error.strerror or error
            raise RuntimeError(
                f"run store {self.root}: it cannot be used ({reason}); $MEDSEG_RUNS names another folder"
            ) from error

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep other processes from training the same run; wait, and say so, while one does.

        Raises:
            RuntimeError: if the store cannot be written to.
        """
        path = self.root / ".locks" / f"{key}.lock"
        lock = FileLock(path)
        with self._in_use():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                print(f"another process is training this run ({key[:16]}): waiting for it", flush=True)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def find(self, key: str) -> Run | None:
        """The finished run with this key, as a replay; None if there is none. A broken one is a warning."""
        folder = self.folder(key)
        if not folder.exists():
            return None
        try:
            run = self._whole(folder, replayed=True)
        except (OSError, ValueError) as error:
            warnings.warn(f"run store: left out {reason(folder, error)}", stacklevel=2)
            return None
        return run if run.record.key == key else None

    def run(self, name: str) -> Run:
        """The finished run whose key begins so, as `medseg runs` prints it, or whose folder is at this path.

        Raises:
            ValueError: if there is none, or several, naming them; or if it is not whole.
        """
        if (Path(name).expanduser() / RECORD).is_file():
            return Run(Path(name).expanduser())
        found = [folder for folder in self._folders() if name and folder.name.startswith(name[:16])]
        if len(found) != 1:
            seen = ", ".join(folder.name for folder in found) or "none"
            raise ValueError(
                f"run store {self.root}: expected one run whose key begins with {name!r}, as `medseg runs` "
                f"lists them, or a run's folder, got {seen}"
            )
        return self._whole(found[0])

    def trained(self, key: str) -> Run | None:
        """A finished run of this training (`training_key`), however it was judged; None if there is none."""
        try:
            return self.find((self.root / TRAINED / key).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def publish(
        self,
        record: RunRecord,
        curves: "Curves",
        cases: "pd.DataFrame | None",
        learner: "Segmenter",
        label_maps: "LabelMaps | None" = None,
        pseudo_labels: bytes = b"",
    ) -> Run:
        """Write a finished run, whole or not at all, and drop its unfinished work.

        Raises:
            RuntimeError: naming the store, if it cannot be written to.
        """
        from safetensors.torch import save_model

        from medseg_lab.training.unfinished import whole_or_nothing

        target = self.folder(record.key)
        with self._in_use():
            if target.exists():
                self._set_aside(target)
        with whole_or_nothing(target), whole_folder(target) as folder:
            save_model(learner, str(folder / WEIGHTS))
            curves.write(folder / CURVES)
            if cases is not None:
                cases.to_csv(folder / CASES, index=False)
            if label_maps:
                label_maps.write(folder / LABEL_MAPS)
            if pseudo_labels:
                (folder / PSEUDO_LABELS).write_bytes(pseudo_labels)
            record = record.model_copy(update={"files": digests(folder)})
            (folder / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
        self.settle(record)
        return Run(target)

    def settle(self, record: RunRecord) -> None:
        """What follows once a run is there: its training is known by it, its unfinished work is dropped.

        Again when it is replayed, for the process that published it may have been killed before.
        """
        trained = self.root / TRAINED / training_key(record.parts)
        if self.trained(trained.name) is None:
            with self._in_use():
                trained.parent.mkdir(exist_ok=True)
                self._compare_clocks()
            write_whole(trained, record.key.encode())
        shutil.rmtree(self.partial(trained.name), ignore_errors=True)

    def _compare_clocks(self) -> None:
        """Warn where the clock is behind an earlier run: of two of one kind the later one counts."""
        with os.scandir(self.root / TRAINED) as entries:
            ahead = max((entry.stat().st_mtime for entry in entries), default=0.0) - time.time()
        if ahead > CLOCK:
            warnings.warn(
                f"run store {self.root}: its newest run is dated {ahead / 3600:.1f} hours from now: was the "
                "clock set back? Where a method was trained twice, the later date counts",
                stacklevel=2,
            )

    def runs(self) -> list[Run]:
        """The finished runs, oldest first; what is left out is a warning that names it, and stays there.

        Runs of another version of this library are one warning, however many they are.

        Raises:
            RuntimeError: if the store cannot be read.
        """
        found, older, broken = [], {}, []
        for folder in self._folders():
            try:
                found.append(self._whole(folder))
            except OtherVersion as error:
                older[folder] = error.version
            except (OSError, ValueError) as error:
                if folder.exists():  # else another process removed it meanwhile
                    broken.append(reason(folder, error))
        for said in (*of_other_versions(older), *([a_few(broken)] if broken else [])):
            warnings.warn(f"run store {self.root}: left out {said}", stacklevel=2)
        return sorted(found, key=lambda run: (run.record.started, run.record.key))

    def _folders(self) -> list[Path]:
        with self._in_use():
            try:
                entries = os.scandir(self.root)
            except FileNotFoundError:
                return []
            with entries:
                names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
        return [self.root / name for name in names]

    @staticmethod
    def _whole(folder: Path, replayed: bool = False) -> Run:
        """The run in a folder, its record read.

        Raises:
            ValueError: if it is not whole, or the folder is called by another run's key: a copy.
        """
        run = Run(folder, replayed)
        if run.record.key[:16] != folder.name:
            raise ValueError(
                f"record: expected that of run {folder.name}, got that of run {run.record.key[:16]}"
            )
        return run

    def _set_aside(self, folder: Path) -> None:
        aside = self.root / ".broken"
        aside.mkdir(exist_ok=True)
        folder.rename(aside / f"{folder.name}-{len(list(aside.iterdir()))}")


def run_store() -> RunStore:
    """The store at `$MEDSEG_RUNS`, else in the user's data folder."""
    return RunStore(os.environ.get("MEDSEG_RUNS") or user_data_path("medseg") / "runs")
