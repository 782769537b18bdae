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


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _clean_store() -> Iterator[None]:
    yield
    _store.cleanup()
