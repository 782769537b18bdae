"""Seconds to read and preprocess each available data set, from its files and from the prepared copy.

    MEDSEG_DATA=path/to/sets python benchmarks/reading.py [ID ...]

- cold: after the system was asked to drop the files' cached pages; simulated sets are generated again;
- warm: the same again; simulated sets come from the cache;
- prepared: the mapped cohort (`load_cohort(mapped=True)`) from files that an earlier call has prepared.

All written files are in a temporary folder, which is removed at the end.
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


def drop_pages(folder: Path) -> None:
    """Ask the system to drop the cached pages of all files below `folder`."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(dataset: str, mapped: bool) -> tuple[float, int, int]:
    """The seconds to load all cases, their number, and their bytes."""
    start = time.perf_counter()
    cohort = load_cohort(dataset, mapped=mapped)
    cases = [*cohort.labelled, *cohort.validation, *cohort.open_test("a benchmark")]
    spent = time.perf_counter() - start
    return spent, len(cases), sum(case.image.nbytes + case.labels.nbytes for case in cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", help="ids, with variants; by default all available sets")
    wanted = parser.parse_args().sets
    cards = [catalogue.load_card(name) for name in wanted or catalogue.known_cards()]
    table = Table("data set", "cases", "MB prepared", "cold, s", "warm, s", "prepared, s")
    with tempfile.TemporaryDirectory(prefix="medseg-reading-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        load_cohort("virtual-brain+shift-noise", cases=5)  # warm-up: the shared anatomy, and all imports
        for card in cards:
            folder = None if card.virtual else locate.find(card)
            if folder is None and card.virtual is None:
                continue
            if folder is not None:
                drop_pages(folder)
            cold, cases, size = seconds(card.id, mapped=False)
            warm, *_ = seconds(card.id, mapped=False)
            seconds(card.id, mapped=True)
            ready, *_ = seconds(card.id, mapped=True)
            row = card.id, f"{cases}", f"{size / 1e6:.0f}", f"{cold:.2f}", f"{warm:.2f}", f"{ready:.2f}"
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
