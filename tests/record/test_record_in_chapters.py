"""A chapter is executed again when the runs on record that it may show have changed, and only then."""

from pathlib import Path

import pytest

from medseg_lab.publishing.house import find_house
from medseg_lab.publishing.inputs import recorded
from medseg_lab.record.add import add
from medseg_lab.training.runs import RunStore
from tests.record.record_runs import finished


def test_a_pack_executes_the_chapters_that_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))
    semi, networks = (find_house().chapter(section) for section in ("3.2", "2.1.1"))
    empty = recorded(semi), recorded(networks)
    finished(tmp_path / "runs", "Mean Teacher")
    add(RunStore(tmp_path / "runs"))
    assert recorded(semi) != empty[0]
    assert recorded(networks) == empty[1]
    finished(tmp_path / "runs", "FCN-8s")
    before = recorded(semi)
    add(RunStore(tmp_path / "runs"))
    assert recorded(semi) == before
    assert recorded(networks) != empty[1]
