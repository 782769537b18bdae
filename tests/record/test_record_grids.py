"""The grids of the record train all that the claims of their sections hold against each other."""

from collections import defaultdict
from pathlib import Path

import pytest

from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configuration
from medseg_lab.sweeps.grid import Grid, read_grid

GRIDS = {
    path.stem: read_grid(path)
    for path in sorted((Path(__file__).parents[2] / "examples/record").glob("*.toml"))
}
TOGETHER = {"2.2": ("2.2.1", "2.2.2", "2.2.3"), "2.3.1": ("2.3.2",), "2.3.3": ("2.3.4",)}
"""Sections whose claims the chapter of another one judges."""


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_what_a_grid_names_is_written(grid: Grid):
    assert grid.section
    assert [name for name in grid.methods if not configuration(name).recipe] == []


def test_no_claim_of_a_section_lacks_a_side():
    trained = defaultdict(set)
    for grid in GRIDS.values():
        for section in (grid.section, *TOGETHER.get(grid.section, ())):
            trained[section] |= set(grid.methods)
    lacking = {
        claim.id: missing
        for section, methods in trained.items()
        for claim in claims(section)
        if (missing := {name for name in claim.methods if configuration(name).recipe} - methods)
    }
    assert lacking == {}
