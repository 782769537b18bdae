"""The ledger: all runs of a store and their per-case results, as tables.

Nothing is kept beside the run folders, so nothing can disagree with them.
"""

import gc
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import nan
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd

from medseg_lab.evaluation.naming import renamed
from medseg_lab.survey.measures import measures
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.left_out import a_few
from medseg_lab.training.names import names
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import RunRecord
from medseg_lab.training.run import CASES
from medseg_lab.training.runs import Run, RunStore, run_store
from medseg_lab.training.tables import read_tables

RECORDED = {
    "dataset": "cohort.id",
    "cohort": "cohort.fingerprint",
    "held_out": "cohort.held_out",
    "labelled": "cohort.labelled_patients",
    "unlabelled": "cohort.unlabelled",
    "draw": "cohort.draw",
    "dims": "task.spatial_dims",
    "budget": "budget.name",
    **{name: f"budget.{name}" for name in ("steps", "voxels", "patch")},
    **{
        name: name
        for name in (
            "seed",
            "seconds",
            "judge_seconds",
            "peak_memory_mb",
            "parameters",
            "step_flops",
            "seen",
            "activity",
        )
    },
    "device": "hardware.device",
    "started": "started",
    "judge": "scoring",
}
"""Columns of the ledger's runs that a record holds as they are, and where."""
NOTED = {one.id: one.noted for one in measures() if one.noted}
"""Further columns, of measures that a run has if its learner noted them (NaN if not), and under what name."""
COLUMNS = ("run", "method", "recipe", *RECORDED, *NOTED, "parts", "base")
TERMS = ("cohort", "steps", "voxels", "patch", "judge")
"""The columns that must be equal for two runs to be compared; across labels, `held_out` for `cohort`."""
SAME = ["recipe", *TERMS, "parts", "seed"]
"""Two runs that agree in these columns are the same experiment; the newer one counts."""
FINGERPRINTS = ("cohort", "held_out", "base")
"""Columns whose values may be shortened."""


@dataclass(frozen=True)
class Origin:
    """Hardware, versions and code with which a run was made: they may change its numbers on the same terms.

    Args:
        hardware: on which it was trained.
        versions: of the packages that count, by name.
        sources: the library's files that it used, each with its hash.
    """

    hardware: Hardware
    versions: Mapping[str, str]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Ledger:
    """Runs and their cases.

    Args:
        root: the store's folder.
        runs: one row a run, indexed by `run`, the first 16 digits of its key. Columns: method (its
            configuration's name, else its recipe), recipe (as text), dataset, cohort (fingerprint), held_out,
            labelled (patients), unlabelled (cases), draw (of the labelled patients), dims (of the data),
            budget (name), steps, voxels, patch, seed, seconds (of training), judge_seconds, peak_memory_mb,
            parameters, step_flops (of a training step), seen (voxels a step really held), activity (what the
            learner noted of its idea, by name), the measures of a run that are noted, device, started, judge
            (how cases were scored, as text), parts (which were), base.
        cases: one row a run, part, case and class: run, part, case, patient, class and the metrics.
        superseded: runs that are left out because a newer one differs from them in nothing that is compared,
            by `run`: trained with other versions of the code or libraries, or on other hardware.
        origins: hardware, versions and code with which each run was made, by `run`.
    """

    root: Path
    runs: pd.DataFrame
    cases: pd.DataFrame
    superseded: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """Everything in one table: a row a run, part, case and class, with the run's columns."""
        return self.cases.merge(self.runs, left_on="run", right_index=True)

    def where(self, **wanted: Any) -> "Ledger":
        """The runs whose columns have these values; a list means any of them, None means any value.

        A fingerprint (cohort, held_out, base) may be shortened to its first digits.

        Raises:
            ValueError: for an unknown column.
        """
        keep = pd.Series(True, index=self.runs.index)
        for column, value in wanted.items():
            if column not in self.runs:
                raise ValueError(f"filter: expected one of {', '.join(self.runs.columns)}, got {column!r}")
            if value is not None:
                values = list(value) if isinstance(value, list | tuple | set | range) else [value]
                found = self.runs[column]
                short = column in FINGERPRINTS
                keep &= found.str.startswith(tuple(values)) if short else found.isin(values)
        runs = self.runs[keep]
        return replace(self, runs=runs, cases=self.cases[self.cases["run"].isin(runs.index)])

    def named(self, names: Mapping[str, str | Recipe]) -> "Ledger":
        """The same runs, with one's own names for some recipes.

        Args:
            names: a name to a recipe, or to its text. One without runs is ignored.

        Raises:
            ValueError: where two recipes would share a name, or a recipe would have two; for a text that is
                no recipe.
        """
        return replace(self, runs=renamed(self.runs, names))


def read_ledger(root: Path | str | None = None) -> Ledger:
    """The ledger of a store. What cannot be read is left out, with a warning that names it.

    Args:
        root: the store's folder; None for `$MEDSEG_RUNS`, else that in the user's data folder.
    """
    store = run_store() if root is None else RunStore(root)
    with _collector_paused():
        return ledger_of(store.runs(), store.root)


def ledger_of(runs: Sequence[Run], root: Path) -> Ledger:
    """The ledger of these runs, whose folders are in `root`; broken results are left out, with a warning."""
    runs = list({run.record.key: run for run in runs}.values())  # one that was asked for twice counts once
    judged = {run.record.key[:16]: run.folder / CASES for run in runs if run.record.judge is not None}
    digests = {run.record.key[:16]: run.record.files[CASES] for run in runs if CASES in run.record.files}
    cases, broken = read_tables(judged, digests)
    if broken:
        said = a_few([f"{root / run / CASES}: {reason}" for run, reason in broken.items()])
        warnings.warn(f"ledger: left out {said}", stacklevel=2)
    cases["part"] = cases["part"].fillna("cases") if "part" in cases else "cases"
    present = set(cases["run"])
    # what another process removed meanwhile has neither cases nor a reason
    records = [r.record for r in runs if r.record.judge is None or r.record.key[:16] in present]
    return ledger_from(records, cases, root)


def ledger_from(records: Sequence[RunRecord], cases: pd.DataFrame, root: Path) -> Ledger:
    """The ledger of runs whose records and cases were read, from a store or from elsewhere.

    Args:
        records: one a run.
        cases: those of all runs, as `Ledger.cases`.
        root: the folder where they were.
    """
    parts: dict[str, tuple[str, ...]] = {}
    for name, part in cases[["run", "part"]].drop_duplicates().itertuples(index=False):
        parts[name] = (*parts.get(name, ()), part)
    rows = [_row(record, parts.get(record.key[:16], ())) for record in records]
    frame = pd.DataFrame(rows, columns=COLUMNS).set_index("run")
    older = frame.sort_values("started", kind="stable").duplicated(SAME, keep="last")
    superseded = tuple(older.index[older])
    if superseded:
        frame = frame.drop(index=list(superseded))
        cases = cases[cases["run"].isin(frame.index)].reset_index(drop=True)
    shared: dict[frozenset, Mapping[str, str]] = {}
    origins = {record.key[:16]: _origin(record, shared) for record in records}
    return Ledger(root, frame, cases, superseded, origins)


def _origin(record: RunRecord, shared: dict[frozenset, Mapping[str, str]]) -> Origin:
    """The origin of a run; equal tables of files are one object, kept in `shared`."""
    sources = record.parts.get("sources", {}) | record.parts.get("judge_sources", {})
    sources = shared.setdefault(frozenset(sources.items()), sources)
    return Origin(record.hardware, record.parts.get("versions", {}), sources)


_recorded = attrgetter(*RECORDED.values())


def _row(record: RunRecord, parts: tuple[str, ...]) -> tuple[Any, ...]:
    """The run's row, in the order of `COLUMNS`; `parts` are those that its judge scored."""
    named = record.key[:16], names().get(record.method, record.method), record.method
    noted = (record.activity.get(name, nan) for name in NOTED.values())
    return *named, *_recorded(record), *noted, parts, " ".join(key[:16] for key in record.bases)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the garbage collector, which would walk the growing pile of records again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
