"""The record as one table, for other programs."""

from collections.abc import Sequence

import pandas as pd

from medseg_lab.record.entry import Entry
from medseg_lab.record.store import SHIPPED, ledger_of_entries


def exported(entries: Sequence[Entry]) -> pd.DataFrame:
    """A row a run, part, case and class: the scores, the ledger's columns of the run, and its origin.

    Further columns: commit, hardware, added, note, code ("" where it is that of this library), and what
    the learner noted of its idea, each number as `noted.<name>`.
    """
    ledger = ledger_of_entries(entries, SHIPPED)
    more = pd.DataFrame(
        {
            "commit": entry.commit,
            "hardware": str(entry.record.hardware),
            "added": entry.added,
            "note": entry.note,
            "code": str(entry.age),
            **{f"noted.{name}": value for name, value in entry.record.activity.items()},
        }
        for entry in entries
    ).set_index(pd.Index([entry.run for entry in entries], name="run"))
    return ledger.table.drop(columns=["activity", "parts"]).merge(more, left_on="run", right_index=True)
