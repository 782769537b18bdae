"""The folder of the record: reading all its packs."""

import os
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from medseg_lab.evaluation.ledger import Ledger, ledger_from
from medseg_lab.record.entry import Entry, tabled, unpacked
from medseg_lab.record.pack import SUFFIX, read_pack

SHIPPED = Path(__file__).with_name("packs")
"""The record that comes with the library."""


def record_folder(path: Path | str | None = None) -> Path:
    """The folder of the record: the one that is named, else `$MEDSEG_RECORD`, else that of the library."""
    return Path(path or os.environ.get("MEDSEG_RECORD") or SHIPPED).expanduser()


def read_entries(path: Path | str | None = None) -> tuple[Entry, ...]:
    """The runs on record, each once, in the order in which they were added.

    A pack that cannot be read is left out, with a warning that names it and says why in one line.

    Args:
        path: the folder; None for `record_folder()`.
    """
    folder = record_folder(path)
    packs = sorted(folder.glob(f"[!.]*{SUFFIX}"))
    return _entries(tuple((pack, *_seen(pack)) for pack in packs))


def _seen(pack: Path) -> tuple[int, int]:
    """Size and time of a file; zeros where it is gone, which `read_pack` then says."""
    try:
        return pack.stat().st_size, pack.stat().st_mtime_ns
    except OSError:
        return 0, 0


@lru_cache(maxsize=2)
def _entries(packs: tuple[tuple[Path, int, int], ...]) -> tuple[Entry, ...]:
    found: dict[str, Entry] = {}
    for path, _, _ in packs:
        try:
            for entry in unpacked(read_pack(path), path.name):
                found.setdefault(entry.record.key, entry)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            warnings.warn(f"record: left out {path.name}: {reason}", stacklevel=3)
    return tuple(sorted(found.values(), key=lambda entry: (entry.added, entry.record.started)))


def read_record(path: Path | str | None = None) -> Ledger:
    """The record as a ledger, with the columns that a run store's ledger has.

    Args:
        path: the folder; None for `$MEDSEG_RECORD`, else the record that comes with the library.
    """
    return ledger_of_entries(read_entries(path), record_folder(path))


def ledger_of_entries(entries: Sequence[Entry], folder: Path) -> Ledger:
    """The ledger of these runs on record."""
    return ledger_from([entry.record for entry in entries], tabled(entries), folder)
