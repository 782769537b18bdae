"""The store: whole folders, found by key."""

import json
import os
import shutil
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_toys import Peeking, Voxelwise, tiny_budget, tiny_cohort, train_tiny
from toys import SMALL
from toys import tiny_cohort as balls

from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.training.durable import whole_folder
from medseg_lab.training.fit import fit
from medseg_lab.training.key import key_of
from medseg_lab.training.recipe import recipe
from medseg_lab.training.record import OtherVersion, RunRecord, title
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised


def test_a_run_is_a_folder_of_four_files(tmp_path):
    options = {"store": RunStore(tmp_path), "judge": recipe(Peeking), "progress": False}
    run = fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, **options)
    names = sorted(path.name for path in run.folder.iterdir())
    assert names == ["cases.csv", "curves.csv", "run.json", "weights.safetensors"]
    record = json.loads((run.folder / "run.json").read_text())
    assert record["schema_version"] == 4
    assert key_of(record["parts"]) == record["key"]
    assert RunRecord.model_validate(record) == run.record


def test_a_run_without_a_judge_has_no_cases(tmp_path):
    assert train_tiny(tmp_path).cases is None


def test_the_store_lists_its_runs_oldest_first_and_names_broken_ones(tmp_path):
    store, good = RunStore(tmp_path), [train_tiny(tmp_path, seed=seed) for seed in (0, 1)]
    (tmp_path / "deadbeef").mkdir()
    (tmp_path / "deadbeef" / "run.json").write_text("{")
    with pytest.warns(UserWarning, match="deadbeef.*weights.safetensors"):
        found = store.runs()
    assert {run.folder for run in found} == {run.folder for run in good}
    assert [run.record.started for run in found] == sorted(run.record.started for run in found)
    assert RunStore(tmp_path / "nowhere").runs() == []


def test_a_clock_that_was_set_back_is_said_and_a_few_seconds_are_not(tmp_path):
    train_tiny(tmp_path)
    (earlier,) = (tmp_path / ".trained").iterdir()
    for ahead, said in ((30, 0), (7200, 1)):
        os.utime(earlier, (time.time() + ahead,) * 2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train_tiny(tmp_path, seed=ahead)
        assert sum("dated 2.0 hours from now" in str(one.message) for one in caught) == said


def test_a_broken_run_is_trained_again_and_kept_aside(tmp_path):
    first = train_tiny(tmp_path)
    weights = (first.folder / "weights.safetensors").read_bytes()
    (first.folder / "weights.safetensors").unlink()
    with pytest.warns(UserWarning, match="weights.safetensors"):
        again = train_tiny(tmp_path)
    assert not again.replayed
    assert (again.folder / "weights.safetensors").read_bytes() == weights
    assert len(list((tmp_path / ".broken").iterdir())) == 1


def test_a_record_of_another_schema_is_refused(tmp_path):
    run = train_tiny(tmp_path)
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(record | {"schema_version": 1}))
    with pytest.raises(OtherVersion, match="expected schema_version 4, got 1") as found:
        _ = Run(run.folder).record
    assert found.value.version == 1


def test_runs_of_an_older_version_are_one_warning_however_many_and_stay(tmp_path):
    runs = [train_tiny(tmp_path, seed=seed) for seed in range(4)]
    for run in runs[1:]:
        record = json.loads((run.folder / "run.json").read_text())
        del record["cohort"]["held_out"]
        (run.folder / "run.json").write_text(json.dumps(record | {"schema_version": 1}))
    first = min(run.folder.name for run in runs[1:])
    with pytest.warns(UserWarning, match="left out") as said:
        found = RunStore(tmp_path).runs()
    assert [run.folder for run in found] == [runs[0].folder]
    assert len(said) == 1
    assert f"3 runs whose records are of version 1 (such as {first})" in str(said[0].message)
    assert all(run.folder.is_dir() for run in runs)


def test_broken_folders_are_one_warning_that_names_a_few_in_a_line(tmp_path):
    store, good = RunStore(tmp_path), train_tiny(tmp_path)
    texts = {"b": "{", "c": "[]", "d": '{"key": 5}', "e": "{}", "f": "{}"}
    for name, text in texts.items():
        shutil.copytree(good.folder, tmp_path / name)
        (tmp_path / name / "run.json").write_text(text)
    with pytest.warns(UserWarning, match="left out") as said:
        assert [run.folder for run in store.runs()] == [good.folder]
    (warning,) = said
    text = str(warning.message)
    assert "\n" not in text
    assert all(str(tmp_path / name) in text for name in "bcd")
    assert "and 2 more" in text
    assert "/e:" not in text


def test_a_copy_of_a_run_under_another_name_is_no_second_run(tmp_path):
    run = train_tiny(tmp_path)
    shutil.copytree(run.folder, tmp_path / "copy")
    with pytest.warns(UserWarning, match="copy: record: expected that of run copy, got that of run"):
        assert [found.folder for found in RunStore(tmp_path).runs()] == [run.folder]


def test_a_folder_that_vanishes_while_the_store_is_read_is_no_run_and_no_warning(
    tmp_path, monkeypatch, recwarn
):
    runs = [train_tiny(tmp_path, seed=seed) for seed in (0, 1)]
    listed = RunStore._folders

    def then_gone(store: RunStore) -> list:
        folders = listed(store)
        shutil.rmtree(runs[0].folder)
        return folders

    monkeypatch.setattr(RunStore, "_folders", then_gone)
    assert [run.folder for run in RunStore(tmp_path).runs()] == [runs[1].folder]
    assert not recwarn.list


def test_files_beside_the_runs_and_hidden_folders_are_not_looked_at(tmp_path, recwarn):
    run = train_tiny(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".sweeps").mkdir()
    assert [found.folder for found in RunStore(tmp_path).runs()] == [run.folder]
    assert not recwarn.list


def test_a_folder_is_whole_or_absent(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "run") as folder:
        (folder / "half").write_text(str(1 / 0))
    assert not (tmp_path / "run").exists()
    with whole_folder(tmp_path / "run") as folder:
        (folder / "one").write_text("one")
        assert not (tmp_path / "run").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "one"]  # what was half written is gone
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "run"):
        pass


def test_a_recipe_in_a_few_words():
    assert title(recipe(Voxelwise).to_dict()) == "Voxelwise"
    assert title(recipe(fit, network=recipe(Voxelwise), loss="dice").to_dict()) == "fit(Voxelwise)"


def test_a_stored_learner_is_laid_out_as_its_device_wants_it(tmp_path, monkeypatch):
    """As in training: another layout means other kernels on a card, and other bits."""
    formats = {"cpu": torch.channels_last_3d, "meta": torch.contiguous_format}
    monkeypatch.setattr("medseg_lab.training.device.memory_format", lambda device, dims: formats[device])
    run = fit(recipe(Supervised, network=SMALL), balls(), tiny_budget(), 0, store=RunStore(tmp_path))
    for device, wanted in formats.items():
        kernels = [p for p in run.learner(device).parameters() if p.ndim == 5]
        assert all(kernel.is_contiguous(memory_format=wanted) for kernel in kernels)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Two runs with all files, of seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("judged")
    method = recipe(Supervised, network=SMALL)
    more = {"store": RunStore(folder), "judge": recipe(Judge), "progress": False}
    return [fit(method, replace(balls(2), unlabelled=()), tiny_budget(), seed, **more) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("cases.csv", lambda run: run.cases),
        ("curves.csv", lambda run: run.curves),
        ("weights.safetensors", lambda run: run.learner()),
        ("segmentations.npz", lambda run: run.segmentations(balls(2).validation)),
    ],
)
def test_a_file_of_another_run_is_told_apart_in_one_line(judged, tmp_path, name, use):
    one, other = judged
    mine = Run(shutil.copytree(one.folder, tmp_path / one.folder.name))
    use(mine)
    shutil.copyfile(other.folder / name, mine.folder / name)
    with pytest.raises(
        ValueError, match=rf"{name}: expected the file that this run wrote, got another"
    ) as said:
        use(Run(mine.folder))
    assert "\n" not in str(said.value)


def test_a_table_of_another_run_is_in_no_comparison(judged, tmp_path):
    for run in judged:
        shutil.copytree(run.folder, tmp_path / run.folder.name)
    one, other = (tmp_path / run.folder.name for run in judged)
    shutil.copyfile(other / "cases.csv", one / "cases.csv")
    with pytest.warns(UserWarning, match=rf"{one.name}/cases.csv: expected the file that this run wrote"):
        assert list(read_ledger(tmp_path).runs.index) == [other.name]


def test_a_run_without_one_of_its_files_is_made_anew(judged, tmp_path):
    folder = shutil.copytree(judged[0].folder, tmp_path / judged[0].folder.name)
    (folder / "cases.csv").unlink()
    with pytest.warns(UserWarning, match="expected a whole run, got none of cases.csv"):
        assert RunStore(tmp_path).find(judged[0].record.key) is None


def edited(run: Run, folder: Path, change: dict) -> Run:
    """A copy of a run whose weights nobody vouches for, with other facts."""
    shutil.copytree(run.folder, folder)
    facts = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(facts | {"files": {}} | change))
    return Run(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1.0},
        {"step_flops": 10**30},
        {"recipe": {"target": 7, "arguments": {}}},
        {"recipe": {"target": "a", "arguments": {"network": {"target": "b"}}}},
        {"parts": {"sources": ["a"]}},
    ],
)
def test_facts_that_cannot_be_are_refused_in_one_line(judged, tmp_path, change):
    with pytest.raises(ValueError, match=f"record: {next(iter(change))}") as said:
        _ = edited(judged[0], tmp_path / "run", change).record
    assert "\n" not in str(said.value)


def test_label_maps_that_are_larger_than_their_cases_are_not_unpacked(judged, tmp_path):
    folder, cases = edited(judged[0], tmp_path / "run", {}).folder, balls(2).validation
    for array in (np.zeros((4000, 4000), np.uint8), np.zeros((10, 9)), np.zeros((9, 10), np.uint8)):
        np.savez_compressed(folder / "segmentations.npz", **{cases[0].id: array})
        with pytest.raises(
            ValueError, match=r"segmentations\.npz: expected label maps of these cases.*c\d: expected"
        ):
            Run(folder).segmentations(cases)


@pytest.mark.parametrize("use", [RunStore.make, RunStore.runs, lambda store: store.lock("key").__enter__()])
def test_a_store_that_cannot_be_used_is_one_sentence_that_names_it(tmp_path, use):
    (tmp_path / "file").write_text("")
    for root, reason in ((tmp_path / "file", "it is a file"), (tmp_path / "file" / "a", "Not a directory")):
        with pytest.raises(RuntimeError) as caught:
            use(RunStore(root))
        said = f"run store {root}: it cannot be used ({reason}); $MEDSEG_RUNS names another folder"
        assert str(caught.value) == said
