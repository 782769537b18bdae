"""Putting finished runs of a store on record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from medseg_lab.evaluation.ledger import Ledger, ledger_of
from medseg_lab.evaluation.naming import method_called
from medseg_lab.record.age import age
from medseg_lab.record.commit import Checkout
from medseg_lab.record.entry import packed
from medseg_lab.record.pack import write_pack
from medseg_lab.record.sections import in_section
from medseg_lab.record.store import read_entries, record_folder
from medseg_lab.training.budget import BUDGETS
from medseg_lab.training.provenance import PACKAGE
from medseg_lab.training.record import RunRecord
from medseg_lab.training.run import Run
from medseg_lab.training.runs import RunStore, run_store


@dataclass(frozen=True)
class Added:
    """What was put on record.

    Args:
        runs: these, in the order of the store.
        left_out: the others, by their 16 digits, each with the reason.
        path: the new pack; None where nothing was added.
    """

    runs: tuple[Run, ...]
    left_out: dict[str, str]
    path: Path | None = None

    @property
    def size(self) -> int:
        """Bytes of the new pack."""
        return self.path.stat().st_size if self.path else 0


def add(
    store: RunStore | None = None,
    *,
    section: str | None = None,
    methods: Sequence[str] = (),
    note: str = "",
    to: Path | str | None = None,
    checkout: Checkout | None = None,
    **filters: Any,
) -> Added:
    """Put the finished runs of a store on record that are not there yet: one new pack, whole or not at all.

    Left out is what proves nothing (the budget `smoke`), what was not scored, what a newer run on the same
    terms replaces, and what nobody else could train (a user's own modules). Ids of cases and patients are
    part of what is recorded.

    Args:
        store: of the runs; None for the usual one.
        section: runs of this section's methods and of what its claims hold them against; None for any.
        methods: names or recipes as text; empty for any.
        note: kept with the pack.
        to: the folder of another record than the usual one; it is made where it is missing.
        checkout: of the library whose commit is noted; None for this one.
        filters: columns of the ledger with the values wanted, as of `Ledger.where`.

    Raises:
        ValueError: for an unknown section, method or column.
        RuntimeError: where the record cannot be written to.
    """
    store = store or run_store()
    folder = record_folder(to)
    runs = store.runs()
    asked = _asked(ledger_of(runs, store.root), section, methods, filters)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            known = {entry.record.key for entry in read_entries(folder)}
            left_out = dict(_left_out(runs, asked, known))
            chosen = [run for run in runs if run.record.key[:16] not in left_out]
            if not chosen:
                return Added((), left_out)
            path = write_pack(folder, packed(_with_commits(chosen, checkout or Checkout()), note))
    except OSError as error:
        raise RuntimeError(
            f"the record in {folder} cannot be written to ({error.strerror or error}); name another with --to"
        ) from error
    return Added(tuple(chosen), left_out, path)


def _asked(ledger: Ledger, section: str | None, methods: Sequence[str], filters: dict[str, Any]) -> Ledger:
    """The runs that the filters ask for, without those that newer ones replace."""
    names = [method_called(ledger.runs, name) for name in methods]
    found = ledger.where(**{"method": names or None, **filters})
    if section is None:
        return found
    known = in_section(section)
    wanted = [name for name in found.runs["method"].unique() if known(name)]
    return found.where(method=wanted)


def _left_out(runs: Sequence[Run], asked: Ledger, known: set[str]) -> Iterator[tuple[str, str]]:
    """Why runs are not put on record, by their 16 digits."""
    chosen, replaced = set(asked.runs.index), set(asked.superseded)
    for run in runs:
        record = run.record
        name = record.key[:16]
        if record.key in known:
            yield name, "on record already"
        elif name in replaced:
            yield name, "replaced by a newer run on the same terms"
        elif name not in chosen:
            yield name, "not asked for"
        elif reason := unfit(record):
            yield name, reason


def unfit(record: RunRecord) -> str:
    """Why a run does not belong on record; "" where it does."""
    smoke, spent = BUDGETS["smoke"], record.budget
    if spent.name == "smoke" or spent.steps * spent.voxels <= smoke.steps * smoke.voxels:
        return "so short that it proves nothing"
    if record.judge is None:
        return "not scored"
    files = record.parts.get("sources", {}) | record.parts.get("judge_sources", {})
    if own := [name for name in files if not name.startswith(f"{PACKAGE}/")]:
        return f"of a module of one's own, which nobody else could run ({own[0]})"
    return ""


def _with_commits(runs: Sequence[Run], checkout: Checkout) -> Iterator[tuple[Run, str]]:
    for run in runs:
        files = run.record.parts.get("sources", {}) | run.record.parts.get("judge_sources", {})
        yield run, checkout.says(files, here=age(run.record).current)
