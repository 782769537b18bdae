"""What a store leaves out of its runs, in words: few lines, however many folders."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from medseg_lab.data.wording import one_line
from medseg_lab.training.record import SCHEMA

NAMED = 3
"""So many broken folders are named in a warning; the rest are counted."""


def of_other_versions(older: dict[Path, int]) -> Iterator[str]:
    """One line a version: how many records it has, and where one of them is."""
    for version in sorted(set(older.values())):
        folders = [folder for folder, its in older.items() if its == version]
        count = "1 run whose record is" if len(folders) == 1 else f"{len(folders)} runs whose records are"
        yield (
            f"{count} of version {version} (such as {folders[0].name}); this library reads version {SCHEMA}. "
            "They stay where they are"
        )


def a_few(reasons: Sequence[str]) -> str:
    """The first of several reasons in full, and how many more there are: for one line of a warning."""
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    return "; ".join(reasons[:NAMED]) + more


def reason(folder: Path, error: Exception) -> str:
    """Why a folder is left out, in one line that names it."""
    return f"{folder}: {one_line(error)}"
