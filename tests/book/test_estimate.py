"""What the book says first: what it will take."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medseg_lab.publishing import estimate
from medseg_lab.publishing.estimate import COSTS, cost, recorded_cost, sentence, write_costs
from medseg_lab.publishing.execute import Executed, Record, Waiting, find_chapter
from medseg_lab.publishing.house import House
from medseg_lab.publishing.inputs import ROOT
from medseg_lab.training.provenance import code_hash
from medseg_lab.training.run import CURVES, RECORD, WEIGHTS
from medseg_lab.training.runs import RunStore
from tests.chapters.small import add_chapter

UNET = "medseg_lab/networks/unet.py"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, a step of 20 ms, and a table from a machine with four cores and steps of 10 ms."""
    monkeypatch.setattr(estimate, "cores", lambda: 2)
    monkeypatch.setattr(estimate, "step_seconds", lambda: 0.02)
    table = tmp_path / "costs.toml"
    table.write_text('[class]\ncores = 4\nstep = 0.01\nseconds = { "2.1.1" = 30 }\n')
    monkeypatch.setattr(estimate, "COSTS", table)
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    """A chapter that was never executed."""
    (tmp_path / "constraints.txt").write_text("")
    add_chapter(House(tmp_path), "2.1.1")
    found = find_chapter("2.1.1", house=House(tmp_path))
    assert isinstance(found, Waiting)
    return found


def record(
    *runs: str, seconds: float = 100, trained: float = 80, replayed: float = 0, **facts: Any
) -> Record:
    lesson = {"seconds_trained": trained, "seconds_replayed": replayed, "runs": runs}
    known = {"section": "2.1.1", "key": "k", "title": "", "parameters": {"budget": "class"}, "inputs": {}}
    rest = {"peak_memory_mb": 1, "date": "2026-01-01", "versions": {}, "lessons": [lesson]}
    return Record(**{**known, **rest, "seconds": seconds, **facts})


def stored(store: RunStore, name: str, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A run in the store that used one file with this hash."""
    folder = store.root / name
    folder.mkdir(parents=True)
    for file in (RECORD, CURVES, WEIGHTS):
        (folder / file).write_text(json.dumps({UNET: value}))
    facts = lambda data: type("Facts", (), {"parts": {"sources": json.loads(data)}, "files": {}})  # noqa: E731
    monkeypatch.setattr("medseg_lab.training.run.read_record", facts)


def test_a_chapter_of_another_machine_is_scaled_by_cores_and_by_a_step(waiting: Waiting) -> None:
    assert cost(waiting) == pytest.approx(30 * 2 * 2)
    assert cost(replace(waiting, parameters={"budget": "full"})) is None


def test_a_chapter_executed_here_costs_what_it_cost_less_what_is_replayed(
    waiting: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path / "runs")
    stored(store, "same", monkeypatch, code_hash(ROOT.parent / UNET))
    stored(store, "edited", monkeypatch, "another")
    assert cost(replace(waiting, last=record("same", "edited"))) == pytest.approx(100 - 40 + 20)
    assert recorded_cost(record("same"), store) == pytest.approx(60)
    assert recorded_cost(record("gone", "edited"), store) == pytest.approx(100)
    # what that execution replayed itself is trained now
    assert recorded_cost(record("gone", trained=0, replayed=80, seconds=20)) == pytest.approx(60)
    assert recorded_cost(record()) == pytest.approx(60)


def test_the_sentence_says_how_many_of_what_and_how_long(waiting: Waiting) -> None:
    done = Executed(waiting.chapter, Path(), record(parameters={"budget": "class", "dataset": "acdc"}), True)
    said = "3 chapters at class on acdc and virtual-brain: 1 replayed, 2 to execute: "
    assert sentence([done, waiting, waiting], [200, 400]) == f"{said}about 10 min on this machine (2 cores)"
    partly = sentence([done, waiting, waiting], [200, None])
    assert partly == f"{said}about 3 min on this machine (2 cores), and 1 chapter of unknown cost"
    assert "not known yet" in sentence([waiting], [None])
    assert sentence([done], []) == "1 chapter at class on acdc: 1 replayed, 0 to execute"


def test_the_table_is_written_from_records_and_read_again(waiting: Waiting, tmp_path: Path) -> None:
    """The latest execution of each budget counts; a budget without one keeps what was known."""
    for name, budget, seconds, date in (("a", "smoke", 8, "2026-02"), ("b", "smoke", 9, "2026-01")):
        folder = tmp_path / "build" / "chapters" / "2.1.1" / name
        folder.mkdir(parents=True)
        one = record("gone", seconds=seconds, trained=2, date=date, parameters={"budget": budget})
        (folder / "record.json").write_text(one.model_dump_json())
    table = tmp_path / "costs.toml"
    for _ in range(2):
        assert write_costs(House(tmp_path), table) == ["smoke"]
    assert table.read_text().startswith("# What chapters take")
    assert table.read_text().count("Written by") == 1
    assert cost(replace(waiting, parameters={"budget": "smoke"})) == pytest.approx(8)
    assert cost(waiting) == pytest.approx(120)


def test_the_shipped_table_is_of_the_chapters_that_there_are(root: Path) -> None:
    shipped = tomllib.loads((ROOT / "publishing" / COSTS.name).read_text())
    sections = {chapter.section for chapter in House(root).chapters()}
    for budget in ("smoke", "class"):
        found = shipped[budget]
        assert {"2.1.1"} <= set(found["seconds"]) <= sections
        assert min(found["cores"], found["step"], *found["seconds"].values()) > 0


def test_a_step_is_measured_in_a_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 0 < estimate.step_seconds() < 2
