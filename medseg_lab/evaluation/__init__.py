"""Metrics, statistics, the ledger of all runs, and what it says of the survey's claims."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg_lab.evaluation.ledgers import Ledger


def ledger(root: Path | str | None = None) -> "Ledger":
    """All runs of a store, with their per-case results, as one table.

    Args:
        root: the store's folder; None for `$MEDSEG_RUNS`, else that in the user's data folder.
    """
    from medseg_lab.evaluation.ledgers import read_ledger

    return read_ledger(root)
