"""Finished runs: immutable folders, found again by their key."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_model, save_model

from medseg_lab.data.task import Task
from medseg_lab.training.curves import Curves
from medseg_lab.training.device import channels_last, fast_bfloat16
from medseg_lab.training.durable import whole_folder
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import RunRecord, title

if TYPE_CHECKING:
    import pandas as pd

RECORD, CURVES, WEIGHTS, CASES = "run.json", "curves.csv", "weights.safetensors", "cases.csv"


@dataclass(frozen=True)
class Run:
    """One training: what ran, on what, with what result.

    Args:
        folder: with `run.json`, `curves.csv`, `weights.safetensors`, and `cases.csv` if it was judged.
        replayed: whether it was found in the store rather than trained just now.
    """

    folder: Path
    replayed: bool = False

    @cached_property
    def record(self) -> RunRecord:
        """The facts.

        Raises:
            ValueError: if the folder is incomplete or its record is not one of this version.
        """
        missing = [name for name in (RECORD, CURVES, WEIGHTS) if not (self.folder / name).is_file()]
        if missing:
            raise ValueError(f"run {self.folder}: got no {', '.join(missing)}, wanted a whole run")
        return RunRecord.model_validate_json((self.folder / RECORD).read_text(encoding="utf-8"))

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """A row a step: step, seconds, lr, and the losses."""
        import pandas as pd

        return pd.read_csv(self.folder / CURVES)

    @cached_property
    def cases(self) -> "pd.DataFrame | None":
        """The judge's table; None for a run without a judge."""
        import pandas as pd

        if not (self.folder / CASES).is_file():
            return None
        text = {"case": str, "patient": str, "class": str, "part": str}
        return pd.read_csv(self.folder / CASES, dtype=text)

    def learner(self, device: str | torch.device = "cpu", recipe: Recipe | None = None) -> Learner:
        """The trained learner, ready to predict.

        Args:
            device: where to.
            recipe: that of the run, needed only where it lies outside this library: a stored run must not
                import at will.

        Raises:
            ValueError: if another recipe is given, or none where one is needed.
        """
        if recipe is not None and recipe.to_dict() != self.record.recipe:
            raise ValueError(f"recipe: got {recipe.to_dict()}, wanted the run's, {self.record.recipe}")
        recipe = recipe or Recipe.from_dict(self.record.recipe)
        with torch.random.fork_rng(devices=[]):
            learner: Learner = recipe.build(Task(**self.record.task.model_dump()))
        load_model(learner, self.folder / WEIGHTS)
        learner.patch = self.record.patch
        learner.precision = self.record.hardware.precision
        if not fast_bfloat16(torch.device(device).type):
            learner.precision = "32-true"
        return channels_last(learner).to(device).eval()

    def summary(self) -> str:
        """One line: trained or replayed, what, for how long, on what."""
        record = self.record
        done = f"replayed (trained {record.started[:10]})" if self.replayed else "trained"
        cost = f"{record.budget.steps} steps in {record.seconds:.0f} s on {record.hardware}"
        return f"{title(record.recipe)}, seed {record.seed}: {done}, {cost}"


class RunStore:
    """A folder of runs, shared by any number of processes.

    Finished runs are its sub-folders, named by the first 16 digits of their keys. Unfinished work is in
    `.partial/<key>`, locks are in `.locks`; a killed process's lock falls open by itself.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser()

    def folder(self, key: str) -> Path:
        """Where the run with this key is, or will be."""
        return self.root / key[:16]

    def partial(self, key: str) -> Path:
        """Where the unfinished work of the run with this key is."""
        return self.root / ".partial" / key

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep other processes from training the same run; wait, and say so, while one does."""
        path = self.root / ".locks" / f"{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"another process is at work on this run ({key[:16]}): waiting for it", flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def find(self, key: str) -> Run | None:
        """The finished run with this key, as a replay; None if there is none. A broken one is a warning."""
        folder = self.folder(key)
        run = self._whole(folder, replayed=True) if folder.exists() else None
        return run if run is not None and run.record.key == key else None

    def publish(
        self, record: RunRecord, curves: Curves, cases: "pd.DataFrame | None", learner: Learner
    ) -> Run:
        """Write a finished run, whole or not at all, and drop its unfinished work."""
        target = self.folder(record.key)
        if target.exists():
            self._set_aside(target)
        with whole_folder(target) as folder:
            save_model(learner, str(folder / WEIGHTS))
            curves.write(folder / CURVES)
            if cases is not None:
                cases.to_csv(folder / CASES, index=False)
            (folder / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
        shutil.rmtree(self.partial(record.key), ignore_errors=True)
        return Run(target)

    def runs(self) -> list[Run]:
        """The finished runs, oldest first; a broken folder is left out, with a warning that names it."""
        folders = sorted(p for p in self.root.glob("*") if p.is_dir() and not p.name.startswith("."))
        found = [run for folder in folders if (run := self._whole(folder)) is not None]
        return sorted(found, key=lambda run: run.record.started)

    @staticmethod
    def _whole(folder: Path, replayed: bool = False) -> Run | None:
        run = Run(folder, replayed)
        try:
            _ = run.record
        except (OSError, ValueError) as error:
            warnings.warn(f"run store: left out {folder}: {error}", stacklevel=3)
            return None
        return run

    def _set_aside(self, folder: Path) -> None:
        aside = self.root / ".broken"
        aside.mkdir(exist_ok=True)
        folder.rename(aside / f"{folder.name}-{len(list(aside.iterdir()))}")
