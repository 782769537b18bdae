"""The survey's claims, judged on the record as they are on the runs here, to be shown side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from medseg_lab.evaluation.claims import Judgement, claims_table, judged
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.verdicts import MARKS, Verdict
from medseg_lab.record.basis import Basis
from medseg_lab.record.entry import Entry
from medseg_lab.record.store import ledger_of_entries, read_entries, record_folder
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.claims import claims as all_claims

ORIGIN = {"trained": "dates", "commit": "commits", "hardware": "devices", "code": "ages"}
"""Columns that say where runs on record come from, and what a basis calls them."""


@dataclass(frozen=True)
class Judged:
    """A claim, judged here or on record.

    Args:
        judgement: the verdicts.
        bases: the runs on record that each of `judgement.by_data` rests on; None for runs here.
    """

    judgement: Judgement
    bases: tuple[Basis | None, ...] = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """Over all data sets."""
        return self.judgement.verdict

    @property
    def by_data(self) -> tuple[tuple[Verdict, Basis | None], ...]:
        """Each data set's verdict, with the runs on record that it rests on."""
        return tuple(zip(self.judgement.by_data, self.bases, strict=True))

    @property
    def words(self) -> tuple[str, ...]:
        """A line for each data set: the finding, where it was found, and why the verdict is what it is."""
        if not self.by_data:
            return (self.verdict.reason,)
        marked = len(self.by_data) > 1
        return tuple(
            f"{MARKS[one.state] + ' ' if marked else ''}{one.finding} ({place_of(one, basis)}). {one.because}"
            for one, basis in self.by_data
        )


def place_of(verdict: Verdict, basis: Basis | None) -> str:
    """Data, labels, seeds, cases and steps; of runs on record also when, on what and by which code."""
    steps = f"{verdict.evidence.terms.steps:,} steps" if verdict.evidence else ""
    said = ", ".join(filter(None, (verdict.place, steps)))
    return f"{said}; {basis.origin}" if basis else said


def judged_here(ledger: Ledger, claims: Iterable[Claim] | None = None) -> dict[str, Judged]:
    """The verdicts of a run store on claims, by the claims' ids.

    Args:
        ledger: of the store.
        claims: as of `medseg_lab.evaluation.claims.judged`.
    """
    return {one.claim.id: Judged(one, (None,) * len(one.by_data)) for one in judged(ledger, claims)}


def judged_on_record(
    claims: Iterable[Claim] | None = None, *, dataset: str | None = None, path: Path | str | None = None
) -> dict[str, Judged]:
    """The verdicts of the record on claims, by the claims' ids.

    Args:
        claims: as of `medseg_lab.evaluation.claims.judged`.
        dataset: the id of a data set whose runs alone count.
        path: the record's folder; None for the usual one.
    """
    wanted = list(all_claims() if claims is None else claims)
    needed = {name for claim in wanted for name in claim.methods}
    entries = [
        entry
        for entry in read_entries(path)
        if entry.method in needed and dataset in (None, entry.record.cohort.id)
    ]
    ledger = ledger_of_entries(entries, record_folder(path))
    counted = [entry for entry in entries if entry.run in ledger.runs.index]
    return {
        one.claim.id: Judged(one, tuple(_basis(verdict, counted) for verdict in one.by_data))
        for one in judged(ledger, wanted)
    }


def verdicts_table(found: Mapping[str, Iterable[Judged]]) -> pd.DataFrame:
    """As `medseg_lab.evaluation.claims.claims_table`, of several sources one below the other.

    Args:
        found: judged claims by the name of their source, which is the first column; of runs on record the
            columns trained, commit, hardware and code say when, by which, on what, and what has changed.
    """
    tables = []
    for source, its in found.items():
        each = list(its)
        table = claims_table(one.judgement for one in each)
        bases = [basis for one in each for basis in (one.bases or (None,))]
        table.insert(0, "source", source)
        for column, of in ORIGIN.items():
            table[column] = [" and ".join(getattr(basis, of)) if basis else "" for basis in bases]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _basis(verdict: Verdict, entries: Sequence[Entry]) -> Basis | None:
    """The runs on the terms of a verdict, of the methods that it compares."""
    if (found := verdict.evidence) is None:
        return None
    its = tuple(entry for entry in entries if entry.run in found.runs)
    return Basis(its) if its else None
