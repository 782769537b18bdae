"""The survey's claims, judged on the record as they are on a run store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg_lab.evaluation.claims import Judgement, judged
from medseg_lab.evaluation.verdicts import Verdict
from medseg_lab.record.basis import Basis
from medseg_lab.record.entry import Entry
from medseg_lab.record.store import ledger_of_entries, read_entries, record_folder
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.claims import claims as all_claims


@dataclass(frozen=True)
class Recorded:
    """A claim, judged on the record.

    Args:
        judgement: as from a run store.
        bases: the runs that each of `judgement.by_data` rests on.
    """

    judgement: Judgement
    bases: tuple[Basis | None, ...] = field(default=(), repr=False)

    @property
    def verdict(self) -> Verdict:
        """Over all data sets."""
        return self.judgement.verdict

    @property
    def by_data(self) -> tuple[tuple[Verdict, Basis | None], ...]:
        """Each data set's verdict, with the runs that it rests on."""
        return tuple(zip(self.judgement.by_data, self.bases, strict=True))

    @property
    def basis(self) -> Basis | None:
        """All runs that it rests on; None where there are none."""
        found = {entry.run: entry for one in self.bases if one for entry in one.entries}
        return Basis(tuple(found.values())) if found else None


def judged_on_record(
    claims: Iterable[Claim] | None = None, path: Path | str | None = None
) -> dict[str, Recorded]:
    """The verdicts of the record on claims, by the claims' ids.

    Args:
        claims: as of `medseg_lab.evaluation.claims.judged`.
        path: the record's folder; None for the usual one.
    """
    wanted = list(all_claims() if claims is None else claims)
    needed = {name for claim in wanted for name in claim.methods}
    entries = [entry for entry in read_entries(path) if entry.method in needed]
    ledger = ledger_of_entries(entries, record_folder(path))
    counted = [entry for entry in entries if entry.run in ledger.runs.index]
    return {
        one.claim.id: Recorded(one, tuple(_basis(verdict, counted) for verdict in one.by_data))
        for one in judged(ledger, wanted)
    }


def _basis(verdict: Verdict, entries: Sequence[Entry]) -> Basis | None:
    """The runs on the terms of a verdict, of the methods that it compares."""
    if (found := verdict.evidence) is None:
        return None
    terms = found.terms
    its = tuple(
        entry
        for entry in entries
        if entry.method in found.claim.methods
        and entry.record.cohort.id == terms.dataset
        and (entry.record.budget.steps, entry.record.budget.voxels) == (terms.steps, terms.voxels)
        and (entry.record.cohort.labelled_patients in terms.labelled)
    )
    return Basis(its) if its else None
