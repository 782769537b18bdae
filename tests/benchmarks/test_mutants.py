"""A sample of the damaged files that `benchmarks/mutants.py` makes, of readers that no other test damages."""

from pathlib import Path

import mutants
import pytest

FEW = 30
READERS = (
    *("card.toml", "cases.csv", "checkpoint: curves", "checkpoint: optimisers", "curves.csv", "dataset.json"),
    *("BMP", "DICOM series", "TIFF stack", "grid.toml", "notebook", "record pack", "run.json", "weights"),
    "segmentations",
)


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line_that_names_it(reader: str, tmp_path: Path) -> None:
    row = mutants.sample(reader, range(FEW), tmp_path)
    assert row.faults == []
    assert row.outcomes.total() == FEW
    assert row.outcomes["refused"] >= FEW // 5
    assert row.slowest < mutants.SECONDS
