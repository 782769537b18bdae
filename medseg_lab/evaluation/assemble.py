"""The tables of a ledger, put together from run folders."""

import gc
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from medseg_lab.evaluation.rows import COLUMNS, Origin, origin, row
from medseg_lab.training.left_out import a_few
from medseg_lab.training.run import CASES
from medseg_lab.training.runs import Run
from medseg_lab.training.tables import read_tables

SAME = ["recipe", "cohort", "steps", "voxels", "patch", "judge", "parts", "seed"]
"""Two runs that agree in these columns are the same experiment; the newer one counts."""


def assembled(
    runs: Sequence[Run], root: Path
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...], dict[str, Origin]]:
    """Runs, cases, superseded and origins of a `Ledger`; broken results are left out, with a warning."""
    judged = {run.record.key[:16]: run.folder / CASES for run in runs if run.record.judge is not None}
    cases, broken = read_tables(judged)
    if broken:
        said = a_few([f"{root / run / CASES}: {reason}" for run, reason in broken.items()])
        warnings.warn(f"ledger: left out {said}", stacklevel=2)
    cases["part"] = cases["part"].fillna("cases") if "part" in cases else "cases"
    parts: dict[str, tuple[str, ...]] = {}
    for name, part in cases[["run", "part"]].drop_duplicates().itertuples(index=False):
        parts[name] = (*parts.get(name, ()), part)
    # what another process removed meanwhile has neither cases nor a reason
    records = [r.record for r in runs if r.record.judge is None or r.record.key[:16] in parts]
    rows = [row(record, parts.get(record.key[:16], ())) for record in records]
    frame = pd.DataFrame(rows, columns=COLUMNS).set_index("run")
    older = frame.sort_values("started", kind="stable").duplicated(SAME, keep="last")
    superseded = tuple(older.index[older])
    frame = frame.drop(index=list(superseded))
    if superseded:
        cases = cases[cases["run"].isin(frame.index)].reset_index(drop=True)
    shared: dict[frozenset, Mapping[str, str]] = {}
    origins = {record.key[:16]: origin(record, shared) for record in records}
    return frame, cases, superseded, origins


@contextmanager
def collector_paused() -> Iterator[None]:
    """Inside, the garbage collector rests: it would walk the growing pile of records again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
