"""The record gives back what was put in, and refuses a file that is not what its name says."""

import hashlib
import json
import lzma
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.record import pack as packs
from medseg_lab.record.add import add
from medseg_lab.record.entry import POINTS
from medseg_lab.record.store import read_entries, read_record
from medseg_lab.training.record import SCHEMA
from medseg_lab.training.runs import RunStore
from tests.record.record_runs import finished, noisy


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    root = tmp_path / "runs"
    for seed in range(3):
        finished(root, "U-Net", seed, dice=noisy(0.8, seed))
        finished(root, "FCN-8s", seed, dice=noisy(0.7, seed + 10), parts=("validation", "test"))
    return RunStore(root)


def named(folder: Path, text: bytes) -> Path:
    """A pack of this text under its right name."""
    content = lzma.compress(text)
    path = folder / f"2026-01-01-{hashlib.sha256(content).hexdigest()[: packs.DIGITS]}{packs.SUFFIX}"
    path.write_bytes(content)
    return path


def refusals(folder: Path) -> list[str]:
    """What reading the record warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_entries(folder)
    said = [str(warning.message) for warning in caught]
    assert all("\n" not in line for line in said)
    return said


def test_the_ledger_of_the_record_is_that_of_the_store(store: RunStore, tmp_path: Path) -> None:
    # an infinite distance and a measure of one class alone come back, too
    folder = next(run.folder for run in store.runs())
    cases = pd.read_csv(folder / "cases.csv")
    cases.loc[0, "hd95"], cases["rarest_dice"] = np.inf, cases["dice"].where(cases["class"] == "disc")
    cases.to_csv(folder / "cases.csv", index=False)
    add(store, to=tmp_path / "record")
    here, there = read_ledger(store.root), read_record(tmp_path / "record")
    pd.testing.assert_frame_equal(there.runs.loc[here.runs.index], here.runs)
    keys = ["run", "part", "case", "patient", "class"]
    sorted_ = [one.cases.sort_values(keys, ignore_index=True)[here.cases.columns] for one in (there, here)]
    pd.testing.assert_frame_equal(*sorted_, rtol=5e-6)
    assert there.origins == here.origins
    assert there.root == tmp_path / "record"


def test_curves_are_thinned_and_end_where_they_ended(store: RunStore, tmp_path: Path) -> None:
    add(store, to=tmp_path / "record")
    curves = read_entries(tmp_path / "record")[0].curves
    assert {len(values) for values in curves.values()} == {POINTS}
    assert curves["step"][-1] == 299
    first = np.exp(-np.arange(5) / 100).mean()
    assert curves["loss"][0] == pytest.approx(first, rel=1e-3)


def test_a_pack_that_was_edited_or_cut_is_left_out_in_one_line_and_the_others_are_read(
    store: RunStore, tmp_path: Path
) -> None:
    folder = tmp_path / "record"
    edited = add(store, to=folder, methods=["U-Net"]).path
    whole = add(store, to=folder, methods=["FCN-8s"]).path
    assert edited
    assert whole
    content = edited.read_bytes()
    digest = edited.name.split("-")[-1].partition(".")[0]
    for damaged in (content[:-7], content[:50] + bytes([content[50] ^ 1]) + content[51:], b""):
        edited.write_bytes(damaged)
        (said,) = refusals(folder)
        assert edited.name in said
        assert f"expected content of digest {digest}" in said
        assert hashlib.sha256(damaged).hexdigest()[:16] in said
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert {entry.pack for entry in read_entries(folder)} == {whole.name}


def test_what_is_wrong_inside_a_pack_of_the_right_name_is_one_line(store: RunStore, tmp_path: Path) -> None:
    path = add(store, to=tmp_path / "record").path
    assert path
    good = json.loads(lzma.decompress(path.read_bytes()))
    first = good["runs"][0]
    scores = {**first["scores"], "dice": first["scores"]["dice"][:-1]}
    faults = {
        "expected version 1, got 2": good | {"version": 2},
        f"expected schema_version {SCHEMA} or earlier, got {SCHEMA + 1}": good
        | {"runs": [first | {"facts": first["facts"] | {"schema_version": SCHEMA + 1}}]},
        "expected one of": good | {"runs": [first | {"sources": [10_000]}]},
        "dice: expected": good | {"runs": [first | {"scores": scores}]},
        "seed": good | {"runs": [first | {"facts": first["facts"] | {"seed": "one"}}]},
        "Field required": {key: value for key, value in good.items() if key != "files"},
    }
    for number, (said, content) in enumerate(faults.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        bad = named(folder, json.dumps(content).encode())
        (line,) = refusals(folder)
        assert bad.name in line
        assert said in line


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packs.LARGEST, "unpacked", 1000)
    named(tmp_path, b" " * 1001)
    assert "expected at most 1,000 bytes once unpacked, got more" in refusals(tmp_path)[0]
    monkeypatch.setitem(packs.LARGEST, "packed", 10)
    named(tmp_path, b" " * 1002)
    assert all("expected at most 10 bytes, got" in line for line in refusals(tmp_path))
    (tmp_path / f"deep{packs.SUFFIX}").unlink(missing_ok=True)
    monkeypatch.undo()
    for path in tmp_path.iterdir():
        path.unlink()
    named(tmp_path, b"[" * 1_000_000)
    assert len(refusals(tmp_path)) == 1


def test_a_run_takes_a_few_kilobytes(tmp_path: Path) -> None:
    for seed in range(20):
        finished(tmp_path / "runs", "U-Net", seed, dice=noisy(0.8, seed))
    found = add(RunStore(tmp_path / "runs"), to=tmp_path / "record")
    assert found.size / len(found.runs) < 3000
