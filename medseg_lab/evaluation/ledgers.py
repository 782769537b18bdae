"""The ledger: all runs of a store and their per-case results, as tables.

Nothing is kept beside the run folders, so nothing can disagree with them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from medseg_lab.survey.configurations import configurations
from medseg_lab.training.notation import parse, written
from medseg_lab.training.provenance import digest
from medseg_lab.training.record import RunRecord
from medseg_lab.training.runs import Run, RunStore, run_store


@dataclass(frozen=True)
class Ledger:
    """Runs and their cases.

    Args:
        root: the store's folder.
        runs: one row a run, indexed by `run`, the first 16 digits of its key. Columns: method (its
            configuration's name, else its recipe), recipe (as text), dataset, cohort (fingerprint), held_out,
            labelled (patients), budget (name), steps, voxels, patch, seed, judge (digest of how cases were
            scored), parts (which were), seconds (of training), judge_seconds, peak_memory_mb, parameters,
            device, base, started.
        cases: one row a run, part, case and class: run, part, case, patient, class and the metrics.
        superseded: runs that are left out because a newer one differs from them in nothing that is compared,
            by `run`: trained with other versions of the code or libraries, or on other hardware.
    """

    root: Path
    runs: pd.DataFrame
    cases: pd.DataFrame
    superseded: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Everything in one table: a row a run, part, case and class, with the run's columns."""
        return self.cases.merge(self.runs, left_on="run", right_index=True)

    def where(self, **wanted: Any) -> "Ledger":
        """The runs whose columns have these values; a list means any of them, None means any value.

        Raises:
            ValueError: for a column that there is not.
        """
        keep = pd.Series(True, index=self.runs.index)
        for column, value in wanted.items():
            if column not in self.runs:
                raise ValueError(f"filter: got {column!r}, wanted one of {', '.join(self.runs.columns)}")
            if value is not None:
                values = list(value) if isinstance(value, list | tuple | set | range) else [value]
                keep &= self.runs[column].isin(values)
        runs = self.runs[keep]
        return replace(self, runs=runs, cases=self.cases[self.cases["run"].isin(runs.index)])


def read_ledger(root: Path | str | None = None) -> Ledger:
    """The ledger of a store; see `Ledger`."""
    store = run_store() if root is None else RunStore(root)
    return ledger_of(store.runs(), store.root)


def ledger_of(runs: Sequence[Run], root: Path) -> Ledger:
    """The ledger of these runs, whose folders are in `root`."""
    rows = [_row(run.record) for run in runs]
    frame = pd.DataFrame(rows, columns=COLUMNS).set_index("run")
    same = ["recipe", "cohort", "steps", "voxels", "patch", "judge", "parts", "seed"]
    older = frame.sort_values("started", kind="stable").duplicated(same, keep="last")
    superseded = tuple(older.index[older])
    frame = frame.drop(index=list(superseded))
    tables = [
        run.cases.assign(run=run.record.key[:16])
        for run in runs
        if run.cases is not None and run.record.key[:16] in frame.index
    ]
    cases = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=CASES)
    return Ledger(root, frame, cases, superseded)


COLUMNS = (
    *("run", "method", "recipe", "dataset", "cohort", "held_out", "labelled", "budget", "steps", "voxels"),
    *("patch", "seed", "judge", "parts", "seconds", "judge_seconds", "peak_memory_mb", "parameters"),
    *("device", "base", "started"),
)
CASES = ("run", "part", "case", "patient", "class")


def _row(record: RunRecord) -> tuple[Any, ...]:
    recipe = written(record.recipe)
    judged = dict(record.judge["arguments"]) if record.judge else {}
    parts = tuple(judged.pop("parts", ()))
    return (
        record.key[:16],
        names().get(recipe, recipe),
        recipe,
        record.cohort.id,
        record.cohort.fingerprint,
        record.cohort.held_out,
        record.cohort.labelled_patients,
        record.budget.name,
        record.budget.steps,
        record.budget.voxels,
        record.budget.patch,
        record.seed,
        digest([record.judge["target"], judged])[:8] if record.judge else "",
        parts,
        record.seconds,
        record.judge_seconds,
        record.peak_memory_mb,
        record.parameters,
        record.hardware.device,
        record.base[:16],
        record.started,
    )


@cache
def names() -> dict[str, str]:
    """A recipe as `written`, to the name of its configuration."""
    return {written(parse(one.recipe)): one.name for one in configurations() if one.recipe}


def recipe_called(name: str) -> str:
    """The canonical text of a configuration's recipe, or of a recipe given as text.

    Raises:
        ValueError: if it is neither, naming the known configurations.
    """
    known: Iterable[str] = (one.name for one in configurations())
    for text, called in names().items():
        if called == name:
            return text
    try:
        return written(parse(name))
    except ValueError as error:
        raise ValueError(f"method: got {name!r}, wanted one of {', '.join(known)}, or a recipe") from error
