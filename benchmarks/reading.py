"""Seconds to read and preprocess each data set at hand, all parts, from files and from what is kept on disk.

    MEDSEG_DATA=path/to/sets python benchmarks/reading.py [ID ...]

- cold: after the system was told to forget the files' pages; of simulated sets, generated anew;
- warm: the same once more; of simulated sets, from the cache;
- prepared: the mapped cohort (`load_cohort(mapped=True)`) on files that an earlier call has prepared.

What it fills is in a temporary folder, which is removed at the end.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from medseg_lab.data import catalogue, locate
from medseg_lab.data.cohort import load_cohort


def forget(folder: Path) -> None:
    """Ask the system to drop the pages of all files below `folder`."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(dataset: str, mapped: bool) -> tuple[float, int, int]:
    """How long it takes to have every case, how many there are, and their bytes."""
    start = time.perf_counter()
    cohort = load_cohort(dataset, mapped=mapped)
    cases = [*cohort.labelled, *cohort.validation, *cohort.open_test("a benchmark")]
    spent = time.perf_counter() - start
    return spent, len(cases), sum(case.image.nbytes + case.labels.nbytes for case in cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", help="ids, with variants; by default all that are at hand")
    wanted = parser.parse_args().sets
    cards = [catalogue.load_card(name) for name in wanted or catalogue.known_cards()]
    table = Table("data set", "cases", "MB prepared", "cold, s", "warm, s", "prepared, s")
    with tempfile.TemporaryDirectory(prefix="medseg-reading-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        load_cohort("virtual-brain+shift-noise", cases=5)  # the shared anatomy, and all imports
        for card in cards:
            folder = None if card.virtual else locate.find(card)
            if folder is None and card.virtual is None:
                continue
            if folder is not None:
                forget(folder)
            cold, cases, size = seconds(card.id, mapped=False)
            warm, *_ = seconds(card.id, mapped=False)
            seconds(card.id, mapped=True)
            ready, *_ = seconds(card.id, mapped=True)
            row = card.id, f"{cases}", f"{size / 1e6:.0f}", f"{cold:.2f}", f"{warm:.2f}", f"{ready:.2f}"
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
