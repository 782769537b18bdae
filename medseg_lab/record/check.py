"""Training one recorded run anew, and holding its scores against those on record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medseg_lab.data.catalogue import is_known, load_card
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.locate import find
from medseg_lab.record.entry import Entry, scores_digest
from medseg_lab.training.device import make_fabric
from medseg_lab.training.fit import fit
from medseg_lab.training.known import known_recipe
from medseg_lab.training.record import RunRecord
from medseg_lab.training.runs import RunStore
from medseg_lab.training.tables import TEXT

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

KEYS = ["part", "case", "class"]


@dataclass(frozen=True)
class Checked:
    """What became of a recorded run that was trained anew.

    Args:
        entry: as recorded.
        same_bits: whether every score is the same, to the last bit.
        scores: a row a metric: its mean on record and here, and the largest difference of one value.
        differs: what else is not as it was: code, versions, hardware; a phrase each.
    """

    entry: Entry
    same_bits: bool
    scores: pd.DataFrame
    differs: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the record: the same bits, or a reason why they may differ."""
        return self.same_bits or bool(self.differs)


def chosen(entries: Sequence[Entry], run: str | None = None) -> Entry:
    """The run to check: the one whose key begins so, else the cheapest whose data are at hand.

    Raises:
        ValueError: for a key of none or several, or where no data set on record is at hand.
    """
    if run is not None:
        found = [entry for entry in entries if entry.record.key.startswith(run)]
        if len(found) != 1:
            count = len(found) or "none"
            raise ValueError(f"run: expected the first digits of one key on record, got {run!r}: {count}")
        return found[0]
    there = [entry for entry in entries if _at_hand(entry.record.cohort.id) and not entry.age.gone]
    if not there:
        names = ", ".join(sorted({entry.record.cohort.id for entry in entries})) or "nothing at all"
        raise ValueError(f"record: no data set on record is on this machine; it holds {names}")
    return min(there, key=lambda entry: (not entry.age.current, entry.record.seconds, entry.record.key))


def check(entry: Entry) -> Checked:
    """Train a recorded run anew, on the device that there is, and compare.

    Raises:
        ValueError: for data that are not on this machine, or a method that is no longer here.
        RuntimeError: where the data are no longer those on record.
    """
    record = entry.record
    if entry.age.gone or record.judge is None:
        raise ValueError(f"run {entry.run}: {entry.age or 'recorded without scores'}: {record.method}")
    cohort = _cohort(record)
    fabric = make_fabric()
    if fabric.device.type == record.hardware.device:
        fabric = make_fabric(record.hardware.precision)  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        run = fit(
            known_recipe(record.recipe),
            cohort,
            record.budget,
            record.seed,
            judge=known_recipe(record.judge),
            store=RunStore(folder),
            fabric=fabric,
            threads=record.hardware.threads or 1,
        )
        cases = run.cases
        assert cases is not None
        same = scores_digest(cases) == entry.digest
        scores = compared(entry.cases, cases)
        if same:  # what is left is the rounding of what is on record
            scores["largest"] = 0.0
        return Checked(entry, same, scores, tuple(_differs(entry, run.record)))


def compared(was: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Two tables of scores side by side: a row a metric, with columns record, here and largest.

    `largest` is the largest difference of one value, infinite where one is missing or infinite alone.
    """
    was, now = (table.set_index(KEYS).sort_index() for table in (was, now))
    rows = {}
    for name in [name for name in was.columns if name not in TEXT]:
        before = was[name].to_numpy(float)
        after = now[name].reindex(was.index).to_numpy(float) if name in now else np.full(len(was), np.nan)
        apart = np.abs(before - after)
        apart[(before == after) | (np.isnan(before) & np.isnan(after))] = 0
        known = np.isfinite(before) & np.isfinite(after)
        means = [each[known].mean() if known.any() else np.nan for each in (before, after)]
        rows[name] = [*means, np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["record", "here", "largest"])


def _at_hand(dataset: str) -> bool:
    if not is_known(dataset):
        return False
    card = load_card(dataset)
    return card.virtual is not None or find(card) is not None


def _cohort(record: RunRecord) -> "Cohort":
    """The cohort of a run, by its fingerprint.

    Raises:
        RuntimeError: where the data set gives another.
    """
    facts = record.cohort
    cohort = load_cohort(
        facts.id,
        cases=record.budget.cases,
        labelled=facts.labelled_patients if facts.unlabelled else None,
        draw=facts.draw,
        mapped=True,
    )
    if cohort.fingerprint != facts.fingerprint:
        raise RuntimeError(
            f"{facts.id}: expected the cohort {facts.fingerprint[:12]} that is on record, "
            f"got {cohort.fingerprint[:12]}; its files, their preparation or the split have changed"
        )
    return cohort


def _differs(entry: Entry, now: RunRecord) -> Iterator[str]:
    """What is not as it was, beyond the numbers."""
    was = entry.record
    if not entry.age.current:
        yield f"code ({str(entry.age).removeprefix('recorded with ')})"
    before, after = was.parts.get("versions", {}), now.parts["versions"]
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} ({before.get(name, 'none')} on record, {after.get(name, 'none')} here)"
    if was.hardware != now.hardware:
        yield f"hardware ({was.hardware} on record, {now.hardware} here)"
