import importlib
from pathlib import Path

import pytest

from medseg_lab.data import readers
from medseg_lab.data.readers.open import MODULES
from medseg_lab.training.provenance import sources

ROOM = "medseg_lab/data/readers/"


def reached(name):
    """The modules of this room that a reader's own module is made of, transitively."""
    return {
        p for p in sources([f"medseg_lab.data.readers.{name}"]) if p.startswith(ROOM) and "__init__" not in p
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_module_that_a_reader_leans_on_counts_in_its_fingerprint(name):
    package = Path(readers.__file__).parents[3]
    listed = {Path(m.__file__).relative_to(package).as_posix() for m in MODULES[name] if m.__file__}
    assert reached(name) == {path for path in listed if path.startswith(ROOM)}


@pytest.mark.parametrize("name", MODULES)
def test_a_reader_is_listed_once_with_its_own_module_last(name):
    assert MODULES[name][-1] is importlib.import_module(f"medseg_lab.data.readers.{name}")
    assert len(set(MODULES[name])) == len(MODULES[name])
