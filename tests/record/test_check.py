"""A recorded run that is trained anew: the same bits, a reason why not, or a failure."""

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.evaluation.judge import Judge
from medseg_lab.record import pack as packs
from medseg_lab.record.add import add
from medseg_lab.record.check import check, chosen
from medseg_lab.record.store import read_entries
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from tests.toys import SMALL, tiny_budget, tiny_cohort

COHORT = tiny_cohort()
METHOD = recipe(Supervised, network=SMALL)


@pytest.fixture(autouse=True)
def data_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medseg_lab.record.check.load_cohort", lambda *_, **__: COHORT)
    monkeypatch.setattr("medseg_lab.record.check._at_hand", lambda _: True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with one run of thirty small steps."""
    place = tmp_path_factory.mktemp("record")
    store, judge = RunStore(place / "runs"), recipe(Judge, parts=["validation"])
    fit(METHOD, COHORT, tiny_budget(steps=30), 0, store=store, judge=judge, progress=False)
    assert len(add(store, to=place).runs) == 1
    return place


def changed(folder: Path, target: Path, **facts: Any) -> Path:
    """A copy of the record in which the run has other scores, and other facts where they are given."""
    (path,) = folder.glob(f"*{packs.SUFFIX}")
    content = json.loads(lzma.decompress(path.read_bytes()))
    (run,) = content["runs"]
    run["scores"]["dice"] = [0.25 for _ in run["scores"]["dice"]]
    run["digest"] = "0" * 64
    for name, value in facts.items():
        run["facts"][name] = value
    target.mkdir()
    packs.write_pack(target, packs.Pack.model_validate(content))
    return target


def medseg(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["record", *arguments], env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_the_same_run_has_the_same_bits(folder: Path) -> None:
    found = check(chosen(read_entries(folder)))
    assert found.same_bits
    assert found.holds
    assert found.differs == ()
    assert found.scores["largest"].max() == 0
    assert np.allclose(found.scores["record"], found.scores["here"], rtol=1e-5, equal_nan=True)
    said = medseg("check", "--folder", str(folder))
    assert said.exit_code == 0
    assert "the same bits" in said.output


def test_a_number_that_changed_is_found_and_fails(folder: Path, tmp_path: Path) -> None:
    wrong = changed(folder, tmp_path / "wrong")
    found = check(chosen(read_entries(wrong)))
    assert not found.holds
    assert found.scores.loc["dice", "record"] == pytest.approx(0.25)
    assert found.scores.loc["dice", "largest"] > 0.001
    assert found.scores.loc["iou", "largest"] < 1e-5  # the rounding of what is on record
    said = medseg("check", "--folder", str(wrong))
    assert said.exit_code == 1
    assert "the same code, versions and hardware gave other numbers" in " ".join(said.output.split())


def test_other_versions_or_hardware_are_a_reason_and_are_named(folder: Path, tmp_path: Path) -> None:
    record = read_entries(folder)[0].record
    parts = record.model_dump(mode="json")["parts"] | {"versions": {"torch": "1.0", "numpy": "1.0"}}
    for name in ("sources", "judge_sources"):
        parts.pop(name)
    other = record.hardware.model_copy(update={"name": "an abacus"}).model_dump()
    wrong = changed(folder, tmp_path / "other", parts=parts, hardware=other)
    found = check(chosen(read_entries(wrong)))
    assert found.holds
    assert not found.same_bits
    assert [reason.partition(" ")[0] for reason in found.differs] == ["numpy", "torch", "hardware"]
    said = medseg("check", "--folder", str(wrong))
    assert said.exit_code == 0
    assert "an abacus" in " ".join(said.output.split())


def test_data_that_changed_and_unknown_keys_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = medseg("check", "ffff", "--folder", str(folder))
    assert said.exit_code == 2
    assert "got 'ffff': none" in said.stderr
    other = tiny_cohort(labelled=1)
    monkeypatch.setattr("medseg_lab.record.check.load_cohort", lambda *_, **__: other)
    said = medseg("check", "--folder", str(folder))
    assert said.exit_code == 1
    assert "expected the cohort tiny 3 2 2 3" in said.stderr
