"""`medseg record`, and what other commands show of the record."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.record import store
from tests.record.record_runs import current_sources, finished, noisy

SIDES = {"U-Net": 0.8, "U-Net without skips": 0.7}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record where skips help on two data sets, and a store where one seed says so."""
    old = current_sources("U-Net") | {"medseg_lab/networks/unet.py": "0"}
    for dataset in ("acdc", "chase-db1"):
        for seed in range(5):
            for method, dice in SIDES.items():
                sources = old if method == "U-Net" else current_sources(method)
                terms = {"dice": noisy(dice, seed), "dataset": dataset, "sources": sources}
                finished(tmp_path / "long", method, seed, activity={"kept": 0.5}, **terms)
    for method, dice in SIDES.items():
        finished(tmp_path / "runs", method, dice=noisy(dice, 1), dataset="acdc")
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "runs"))
    assert medseg("record", "add", "--store", str(tmp_path / "long"), "--note", "a sweep").exit_code == 0


def medseg(*arguments: str, width: int = 80) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(width), "NO_COLOR": "1"})


def words(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_add_says_what_was_added_and_what_was_not(tmp_path: Path) -> None:
    said = words(medseg("record", "add", "--store", str(tmp_path / "long")))
    assert "nothing was added" in said
    assert "left out 20 runs: on record already" in said
    said = words(medseg("record", "add", "--method", "U-Net", "--to", str(tmp_path / "other")))
    assert "added 1 run in" in said
    assert "kB a run" in said
    assert "acdc: U-Net, 1 run" in said
    assert "left out 1 run: not asked for" in said


def test_the_list_fits_and_marks_earlier_code() -> None:
    result = medseg("record", "list", "--details")
    head, *table = result.output.splitlines()
    assert "20 runs on record" in head
    assert max(map(len, table)) <= 80
    said = words(result)
    assert "2.1.1 Encoder and decoder: acdc" in said
    assert "U-Net * 0 to 4 4 300 2026-01-01 not " in said
    assert "* U-Net: recorded with earlier code: networks/unet.py" in said
    assert "scored by Judge() on validation; a sweep" in said
    assert "10 runs on record" in words(medseg("record", "list", "--dataset", "acdc"))
    assert "nothing on record" in words(medseg("record", "list", "--labelled", "7"))


def test_claims_stand_side_by_side_and_the_record_alone(tmp_path: Path) -> None:
    both = medseg("claims", "--section", "2.1.1", "--details")
    assert max(map(len, both.output.splitlines())) <= 80
    said = words(both)
    assert "2 runs in" in said
    assert "20 runs on record: 1 supported" in said
    assert "here: ? inconclusive" in said
    assert "record: ✓ supported" in said
    assert "recorded with earlier code" in said.replace("networks/unet.py", "")
    alone = words(medseg("claims", "--section", "2.1.1", "--record"))
    assert "here" not in alone
    assert "✓ supported" in alone
    one = words(medseg("claims", "--section", "2.1.1", "--dataset", "chase-db1", "--state", "supported"))
    assert "0 runs in" in one
    assert "10 runs on record: 1 supported" in one
    path = tmp_path / "claims.csv"
    medseg("claims", "--section", "2.1.1", "--state", "supported", "--out", str(path))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["dataset"], row["state"]) for row in rows] == [
        ("here", "acdc", "inconclusive"),
        ("record", "acdc", "supported"),
        ("record", "chase-db1", "supported"),
    ]
    assert rows[0]["commit"] == ""
    assert rows[1]["trained"] == "2026-01-01"
    assert rows[1]["code"] == "recorded with earlier code: networks/unet.py"


def test_an_unreadable_pack_is_a_note(tmp_path: Path) -> None:
    (pack,) = (tmp_path / "record").glob("*.xz")
    pack.write_bytes(pack.read_bytes()[:-1])
    for command in (("record", "list"), ("claims", "--section", "2.1.1"), ("compare", "--record")):
        store._entries.cache_clear()  # as in a new process
        result = medseg(*command)
        assert result.exit_code == 0
        assert result.stderr.count("note: record: left out") == 1


def test_the_record_is_compared_and_exported(tmp_path: Path) -> None:
    said = words(medseg("compare", "--record", "--dataset", "acdc", width=140))
    assert "seeds 0 to 4" in said
    path = tmp_path / "all.csv"
    assert "written" in words(medseg("record", "export", "--out", str(path), "--dataset", "acdc"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 * 40 * 2
    assert rows[0]["noted.kept"] == "0.5"
    assert {row["code"] for row in rows} == {"", "recorded with earlier code: networks/unet.py"}
    assert "ends in .csv" in medseg("record", "export", "--out", "all.parquet").stderr
