"""One run on record, and how it is packed and unpacked."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from medseg_lab.record.age import Age, age
from medseg_lab.record.pack import Layout, Pack, PackedRun, first_of
from medseg_lab.training.names import names
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import SCHEMA, RunRecord
from medseg_lab.training.run import Run
from medseg_lab.training.tables import TEXT

POINTS = 60
"""So many points of a curve are kept."""
SCORE_DIGITS, CURVE_DIGITS = 6, 4
SINCE: dict[int, dict[str, Any]] = {}
"""What each version of `run.json` added, for runs on record that are older: the record outlasts versions."""


@dataclass(frozen=True)
class Entry:
    """A run on record.

    Args:
        record: its facts.
        layout: whose scores they are.
        scores: a metric's name to `(rows,)`, in six digits.
        digest: of the scores in full.
        curves: a column's name to its thinned values.
        commit: of the library, in words.
        added: date and time at which it was put on record.
        note: what was said then.
        pack: the name of the file.
    """

    record: RunRecord
    layout: Layout = field(repr=False)
    scores: Mapping[str, NDArray] = field(repr=False)
    digest: str
    curves: Mapping[str, NDArray] = field(repr=False)
    commit: str
    added: str
    note: str
    pack: str

    @property
    def run(self) -> str:
        """The first 16 digits of its key."""
        return self.record.key[:16]

    @property
    def method(self) -> str:
        """Its configuration's name, else its recipe, as in a ledger."""
        return names().get(self.record.method, self.record.method)

    @property
    def age(self) -> Age:
        """Whether its code is that of this library."""
        return age(self.record)

    @property
    def cases(self) -> pd.DataFrame:
        """The judge's table, as of `Run.cases`."""
        return tabled([self]).drop(columns="run")


def tabled(entries: Sequence[Entry]) -> pd.DataFrame:
    """The cases of several runs as one table: run, part, case, patient, class, metrics, as in a ledger."""
    names = list(dict.fromkeys(name for entry in entries for name in entry.scores))
    columns: dict[str, list] = {name: [] for name in ("run", *TEXT, *names)}
    for entry in entries:
        rows, layout = entry.layout.rows, entry.layout
        columns["run"].append(np.repeat(np.array([entry.run], dtype=object), rows))
        for name, texts in zip(TEXT, (layout.part, layout.case, layout.patient, layout.kind), strict=True):
            columns[name].append(np.array(texts, dtype=object))
        for name in names:
            values = entry.scores.get(name)
            columns[name].append(np.full(rows, np.nan) if values is None else values)
    empty = {"run", *TEXT}
    joined = {
        name: np.concatenate(found) if found else np.empty(0, object if name in empty else float)
        for name, found in columns.items()
    }
    return pd.DataFrame(joined).astype(dict.fromkeys(("run", *TEXT), str))


def packed(runs: Iterable[tuple[Run, str]], note: str = "") -> Pack:
    """Runs with their commits as a pack: tables of files and of cases stand in it once."""
    files: dict[tuple[str, str], int] = {}
    layouts: dict[Layout, int] = {}
    found = [_packed(run, commit, files, layouts) for run, commit in runs]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Pack(added=now, note=note, files=tuple(files), layouts=tuple(layouts), runs=tuple(found))


def _packed(
    run: Run, commit: str, files: dict[tuple[str, str], int], layouts: dict[Layout, int]
) -> PackedRun:
    facts, cases = run.record.model_dump(mode="json"), run.cases
    assert cases is not None
    home = str(Path.home())
    del facts["files"]  # which are not on record
    facts["cohort"]["description"] = facts["cohort"]["description"].replace(home, "~")
    numbers = {
        name: tuple(files.setdefault(item, len(files)) for item in facts["parts"].pop(name, {}).items())
        for name in ("sources", "judge_sources")
    }
    cases = cases if "part" in cases else cases.assign(part="cases")
    layout = Layout(**{name: tuple(cases[name]) for name in TEXT})
    metrics = [name for name in cases.columns if name not in TEXT]
    return PackedRun(
        facts=facts,
        **numbers,
        commit=commit,
        layout=layouts.setdefault(layout, len(layouts)),
        scores={name: rounded(cases[name], SCORE_DIGITS) for name in metrics},
        digest=scores_digest(cases),
        curves={name: rounded(values, CURVE_DIGITS) for name, values in thinned(run.curves).items()},
    )


def unpacked(pack: Pack, name: str) -> list[Entry]:
    """The runs of a pack.

    Args:
        pack: which.
        name: of its file.

    Raises:
        ValueError: for facts that are not those of a run.
    """
    return [_unpacked(one, pack, name) for one in pack.runs]


def _unpacked(one: PackedRun, pack: Pack, name: str) -> Entry:
    tables: dict[str, dict[str, str]] = {
        what: dict(pack.files[number] for number in getattr(one, what))
        for what in ("sources", "judge_sources")
    }
    if {"run", *TEXT} & one.scores.keys() or not isinstance(parts := one.facts.get("parts"), dict):
        raise ValueError(
            f"run {str(one.facts.get('key'))[:16]}: expected parts as a table, and metrics as scores"
        )
    facts = {**one.facts, "parts": parts | tables}
    written = facts.get("schema_version")
    if not isinstance(written, int) or written > SCHEMA:
        raise ValueError(f"run.json: expected schema_version {SCHEMA} or earlier, got {written}")
    for version in range(written + 1, SCHEMA + 1):
        facts = {**SINCE.get(version, {}), **facts}
    try:
        record = RunRecord.model_validate({**facts, "schema_version": SCHEMA})
    except ValidationError as error:
        raise ValueError(f"run {str(facts.get('key'))[:16]}: {first_of(error)}") from error
    for recipe in filter(None, (record.recipe, record.judge)):
        try:
            Recipe.from_dict(dict(recipe))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"run {record.key[:16]}: expected a recipe, got {recipe!r}") from error
    return Entry(
        record=record,
        layout=pack.layouts[one.layout],
        scores={metric: np.array(values, dtype=float) for metric, values in one.scores.items()},
        digest=one.digest,
        curves={column: np.array(values, dtype=float) for column, values in one.curves.items()},
        commit=one.commit,
        added=pack.added,
        note=pack.note,
        pack=name,
    )


def scores_digest(cases: pd.DataFrame) -> str:
    """SHA-256 of a judge's table: every bit of every number counts, the order of the columns does not."""
    found = hashlib.sha256()
    for name in sorted(cases.columns):
        values = cases[name]
        content = "\0".join(values).encode() if name in TEXT else values.to_numpy("<f8").tobytes()
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def thinned(curves: pd.DataFrame) -> dict[str, NDArray]:
    """Curves of at most `POINTS` points: of each stretch of steps the mean, but its last step and second."""
    groups = np.array_split(np.arange(len(curves)), min(POINTS, len(curves)) or 1)
    found: dict[str, NDArray] = {}
    for name in curves.columns:
        values = curves[name].to_numpy(float)
        if name in ("step", "seconds"):
            found[name] = np.array([values[rows[-1]] for rows in groups if len(rows)])
        else:
            kept = [values[rows][~np.isnan(values[rows])] for rows in groups if len(rows)]
            found[name] = np.array([each.mean() if len(each) else np.nan for each in kept])
    return found


def rounded(values: Iterable[float], digits: int) -> tuple[float, ...]:
    """Numbers in so many significant digits."""
    return tuple(float(f"{value:.{digits}g}") for value in values)
