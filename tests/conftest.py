"""Tests leave the user's run store and the record alone, and compute on one thread."""

import importlib.metadata
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MEDSEG_WORKERS", "1")  # tests of workers say how many
settings.register_profile("loaded machine", deadline=None)
settings.load_profile("loaded machine")
# each training asks for them, and each time the files of all packages are read
importlib.metadata.entry_points = cache(importlib.metadata.entry_points)
_store = tempfile.TemporaryDirectory(prefix="medseg-test-runs-")
os.environ["MEDSEG_RUNS"] = _store.name
os.environ["MEDSEG_RECORD"] = f"{_store.name}/.record"

ROOT = Path(__file__).parents[1]


PLANNED = """
[[method]]
id = "dowsing"
name = "Dowsing"
section = "5.1"
references = []
idea = "Find what is below by a forked twig."
chapter = "5"

[[configuration]]
name = "Dowsing"
method = "dowsing"

[[claim]]
id = "network-beats-dowsing"
section = "5.1"
statement = "A network segments better than dowsing."
better = "U-Net"
worse = "Dowsing"
metric = "dice"
direction = "higher"
margin = 0.05
"""


@pytest.fixture
def dowsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a method that is planned, whatever else of the survey is: with a claim, of section 5.1."""
    from medseg_lab.survey import tables
    from medseg_lab.survey.claims import claims
    from medseg_lab.survey.configurations import configurations
    from medseg_lab.survey.methods import all_methods
    from medseg_lab.training.names import names

    cached = (tables.rows, all_methods, configurations, claims, names)
    path = tmp_path / "planned.toml"
    path.write_text(tables.PLANNED.read_text(encoding="utf-8") + PLANNED, encoding="utf-8")
    monkeypatch.setattr(tables, "PLANNED", path)
    for each in cached:
        each.cache_clear()
    yield "Dowsing"
    monkeypatch.undo()
    for each in cached:
        each.cache_clear()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _clean_store() -> Iterator[None]:
    yield
    _store.cleanup()
