"""The grids of the record train all that the claims of their sections hold against each other."""

from collections import defaultdict
from pathlib import Path

import pytest

from medseg_lab.survey.claims import claims
from medseg_lab.sweeps.grid import Grid, read_grid
from medseg_lab.sweeps.resolve import methods_of

GRIDS = {
    path.stem: read_grid(path)
    for path in sorted((Path(__file__).parents[2] / "examples/record").glob("*.toml"))
}
TOGETHER = {
    "0": ("1",),
    "5": ("5.1", "5.2", "5.3", "5.4"),
    "3.2": ("5", "5.4"),
    "2.1.3": ("1",),
    "2.2": ("2.2.1", "2.2.2", "2.2.3"),
    "2.3.1": ("2.3.2",),
    "2.3.3": ("2.3.4",),
}
"""Sections whose claims the chapter of another one judges."""


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_what_a_grid_names_is_written(grid: Grid):
    assert grid.section
    assert methods_of(grid).keys() == {*grid.methods, *grid.recipes}


def test_no_claim_of_a_section_lacks_a_side():
    trained = defaultdict(set)
    for grid in GRIDS.values():
        for section in (grid.section, *TOGETHER.get(grid.section, ())):
            trained[section] |= set(grid.methods)
    lacking = {
        claim.id: missing
        for section, methods in trained.items()
        for claim in claims(section)
        if (missing := set(claim.methods) - methods)
    }
    assert lacking == {}
