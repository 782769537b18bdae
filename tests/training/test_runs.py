"""The store: whole folders, found by key."""

import json

import pytest
from learning_toys import Peeking, Voxelwise, tiny_budget, tiny_cohort, train_tiny

from medseg_lab.training.durable import whole_folder
from medseg_lab.training.fit import fit
from medseg_lab.training.key import key_of
from medseg_lab.training.recipe import recipe
from medseg_lab.training.record import RunRecord, title
from medseg_lab.training.runs import Run, RunStore


def test_a_run_is_a_folder_of_four_files(tmp_path):
    options = {"store": RunStore(tmp_path), "judge": recipe(Peeking), "progress": False}
    run = fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, **options)
    names = sorted(path.name for path in run.folder.iterdir())
    assert names == ["cases.csv", "curves.csv", "run.json", "weights.safetensors"]
    record = json.loads((run.folder / "run.json").read_text())
    assert record["schema_version"] == 1
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
    (run.folder / "run.json").write_text(json.dumps(record | {"schema_version": 2}))
    with pytest.raises(ValueError, match="schema_version"):
        _ = Run(run.folder).record


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
