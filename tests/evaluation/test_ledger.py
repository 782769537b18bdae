"""The ledger: what is in it, under which names, and what it refuses to compare."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from medseg_lab.evaluation.ledger import ledger_of, read_ledger
from medseg_lab.evaluation.naming import method_called, names, recipe_called
from medseg_lab.evaluation.terms import compare_methods
from medseg_lab.survey.configurations import configurations
from medseg_lab.training.budget import Budget
from medseg_lab.training.notation import parse, written
from medseg_lab.training.runs import RunStore
from tests.evaluation.stored import results, store_run

OWN = "Supervised(network=UNet(features=[8, 16]), spatial_dims=2)"


def test_a_run_is_a_row_and_its_cases_are_rows(tmp_path):
    run = store_run(tmp_path, "U-Net", 3, dice=[0.5, 0.6, 0.7, 0.8], seconds=12.0, parameters=77)
    found = read_ledger(tmp_path)
    (row,) = found.runs.reset_index().to_dict("records")
    assert row["run"] == run.folder.name
    assert (row["method"], row["recipe"]) == ("U-Net", "Supervised(network=UNet(), spatial_dims=2)")
    assert (row["dataset"], row["labelled"], row["budget"], row["seed"]) == ("circles", 4, "class", 3)
    assert (row["steps"], row["voxels"], row["patch"]) == (300, 100_000, 64)
    assert (row["parts"], row["judge"]) == (("validation",), "Judge()")
    assert (row["seconds"], row["parameters"], row["device"]) == (12.0, 77, "cpu")
    assert found.cases["dice"].tolist() == [0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8]
    assert set(found.cases["run"]) == {run.folder.name}
    assert len(found.table) == 8
    assert set(found.table["method"]) == {"U-Net"}


def test_the_ledger_holds_what_each_run_says_by_itself(tmp_path):
    draw = np.random.default_rng(0)
    for seed in range(3):
        store_run(tmp_path, "U-Net", seed, dice=draw.uniform(size=5).tolist(), parts=("validation", "test"))
    found = read_ledger(tmp_path)
    for run in RunStore(tmp_path).runs():
        own = found.cases[found.cases["run"] == run.folder.name].drop(columns="run")
        pd.testing.assert_frame_equal(own.reset_index(drop=True), run.cases)
    assert found.runs["parts"].tolist() == [("validation", "test")] * 3


def test_an_empty_store_is_an_empty_ledger(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        found = read_ledger(place)
        assert found.runs.empty
        assert found.cases.empty
        assert found.where(dataset="circles").runs.empty
        assert found.table.empty


def test_a_run_without_a_judge_is_in_the_ledger_without_cases(tmp_path):
    store_run(tmp_path, parts=None)
    found = read_ledger(tmp_path)
    assert found.runs["parts"].tolist() == [()]
    assert found.runs["judge"].tolist() == [""]
    assert found.cases.empty


def test_what_was_scored_is_read_from_the_results_not_from_the_judges_arguments(tmp_path):
    store_run(tmp_path, "U-Net", 0, parts=("test",), cases=results(0.5).drop(columns="part"))
    assert read_ledger(tmp_path).runs["parts"].tolist() == [("cases",)]


def test_a_run_with_broken_results_is_left_out_and_its_file_named(tmp_path):
    good, bad = (store_run(tmp_path, "U-Net", seed) for seed in (0, 1))
    text = (bad.folder / "cases.csv").read_text()
    (bad.folder / "cases.csv").write_text(text[:-9])
    with pytest.warns(UserWarning, match=f"{bad.folder.name}/cases.csv: expected whole rows, got a last one"):
        found = read_ledger(tmp_path)
    assert list(found.runs.index) == [good.folder.name]
    assert set(found.cases["run"]) == {good.folder.name}


def test_many_broken_results_are_one_warning(tmp_path):
    for seed in range(5):
        (store_run(tmp_path, "U-Net", seed).folder / "cases.csv").write_text("case\n")
    with pytest.warns(UserWarning, match="ledger: left out") as said:
        assert read_ledger(tmp_path).runs.empty
    (warning,) = said
    assert str(warning.message).endswith("; and 2 more")


def test_a_run_that_vanishes_before_its_results_are_read_is_left_out(tmp_path, monkeypatch):
    good, gone = (store_run(tmp_path, "U-Net", seed) for seed in (0, 1))
    listed = RunStore.runs

    def then_gone(store: RunStore) -> list:
        runs = listed(store)
        shutil.rmtree(gone.folder)
        return runs

    monkeypatch.setattr(RunStore, "runs", then_gone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(read_ledger(tmp_path).runs.index) == [good.folder.name]


def test_of_two_runs_of_one_experiment_the_newer_one_counts(tmp_path):
    old = store_run(tmp_path, "U-Net", 0, dice=0.1, started="2026-01-01", versions={"torch": "1"})
    new = store_run(tmp_path, "U-Net", 0, dice=0.9, started="2026-02-01", versions={"torch": "2"})
    other = store_run(tmp_path, "U-Net", 1, dice=0.5, started="2025-12-01")
    found = read_ledger(tmp_path)
    assert set(found.runs.index) == {new.folder.name, other.folder.name}
    assert found.superseded == (old.folder.name,)
    assert set(found.cases["dice"]) == {0.9, 0.5}


def test_a_run_that_is_given_twice_counts_once(tmp_path):
    """As in a chapter that trains a method in one section and replays it in another."""
    one, other = (store_run(tmp_path, "U-Net", seed) for seed in (0, 1))
    found = ledger_of([one, other, one], tmp_path)
    assert sorted(found.runs.index) == sorted([one.folder.name, other.folder.name])
    assert found.superseded == ()
    pd.testing.assert_frame_equal(found.cases, ledger_of([one, other], tmp_path).cases)


def test_filters_take_a_value_several_or_none(tmp_path):
    for dataset in ("circles", "squares", "stars"):
        store_run(tmp_path, dataset=dataset)
    found = read_ledger(tmp_path)
    assert found.where(dataset="stars").runs["dataset"].tolist() == ["stars"]
    assert set(found.where(dataset=["stars", "circles"]).runs["dataset"]) == {"stars", "circles"}
    assert len(found.where(dataset=None).runs) == 3
    assert len(found.where(dataset="stars").cases) == 8
    with pytest.raises(ValueError, match="filter: expected one of method, recipe"):
        found.where(colour="red")


def test_a_fingerprint_may_be_shortened(tmp_path):
    for split in ("usual", "other"):
        store_run(tmp_path, split=split)
    found = read_ledger(tmp_path)
    assert found.where(cohort="circles-4-u").runs["held_out"].tolist() == ["usual-circles"]
    assert found.where(cohort=["circles-4-o", "no"]).runs["held_out"].tolist() == ["other-circles"]


def test_a_recipe_that_is_no_configuration_is_called_by_its_text(tmp_path):
    store_run(tmp_path, OWN)
    assert read_ledger(tmp_path).runs["method"].tolist() == [OWN]


def test_no_two_configurations_share_a_name_or_a_recipe():
    known = configurations()
    assert len(names()) == len(set(names().values())) == len(known)


def test_a_learner_of_someone_else_never_has_the_text_of_one_of_ours(tmp_path):
    ours = parse("Supervised(network=UNet(), spatial_dims=2)").to_dict()
    theirs = {**ours, "arguments": {**ours["arguments"], "network": {"target": "mine.UNet", "arguments": {}}}}
    assert written(theirs) == "Supervised(network=mine.UNet(), spatial_dims=2)"
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, theirs)
    assert set(read_ledger(tmp_path).runs["method"]) == {"U-Net", written(theirs)}


def test_own_names_replace_texts_and_stand_in_every_table(tmp_path):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, OWN)
    found = read_ledger(tmp_path).named({"small": OWN, "never run": "Supervised(network=VNet())"})
    assert set(found.runs["method"]) == {"U-Net", "small"}
    assert compare_methods(found, ["small", "U-Net"]).methods == ("small", "U-Net")
    assert compare_methods(found, [OWN, "U-Net"]).methods == ("small", "U-Net")
    assert set(read_ledger(tmp_path).named({"small": parse(OWN)}).runs["method"]) == {"U-Net", "small"}


def test_a_configuration_may_be_renamed_by_name_and_by_recipe(tmp_path):
    store_run(tmp_path, "U-Net")
    for recipe in ("U-Net", recipe_called("U-Net"), "Supervised(spatial_dims=2, network=UNet(skips=True))"):
        assert read_ledger(tmp_path).named({"mine": recipe}).runs["method"].tolist() == ["mine"]


def test_a_recipe_of_someone_elses_library_is_named_by_its_text(tmp_path):
    store_run(tmp_path, {"target": "mine.Net", "arguments": {"width": 3}})
    found = read_ledger(tmp_path)
    assert found.runs["method"].tolist() == ["mine.Net(width=3)"]
    assert found.named({"theirs": "mine.Net(width=3)"}).runs["method"].tolist() == ["theirs"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"U-Net": OWN}, r"'U-Net' for Supervised.* so is called Supervised"),
        ({"V-Net": OWN}, "'V-Net' for"),
        ({"a": OWN, "b": OWN}, "expected one for .*got 'a' and 'b'"),
        ({"a": "Nonsense(network=1)"}, "Nonsense"),
        ({"a": "no such method"}, "got 'no such method'"),
    ],
)
def test_two_recipes_never_share_a_name(tmp_path, wanted, reason):
    store_run(tmp_path, OWN)
    with pytest.raises(ValueError, match=reason):
        read_ledger(tmp_path).named(wanted)


def test_two_names_of_the_ledger_stay_apart_when_one_is_renamed_to_the_other(tmp_path):
    other = "Supervised(network=UNet(features=[4, 8]), spatial_dims=2)"
    store_run(tmp_path, OWN)
    store_run(tmp_path, other)
    found = read_ledger(tmp_path).named({"small": OWN})
    with pytest.raises(ValueError, match="got 'small' for"):
        found.named({"small": other})


def test_a_method_without_runs_is_refused_with_the_nearest_that_have_some(tmp_path):
    store_run(tmp_path, "U-Net")
    store_run(tmp_path, "FCN-8s")
    runs = read_ledger(tmp_path).runs
    assert method_called(runs, recipe_called("U-Net")) == "U-Net"
    with pytest.raises(ValueError, match=r"got 'U-Nett', which has no runs here; there are runs of U-Net$"):
        method_called(runs, "U-Nett")
    with pytest.raises(ValueError, match="got 'V-Net', which has no runs here"):
        method_called(runs, "V-Net")
    with pytest.raises(ValueError, match="got 'U-Net', which has no runs here; there are no runs at all"):
        method_called(runs[:0], "U-Net")


def test_a_name_that_is_no_method_is_refused_with_those_nearest_to_it():
    with pytest.raises(ValueError, match=r"expected one of U-Net, .*got 'U-Nett'"):
        recipe_called("U-Nett")
    with pytest.raises(ValueError, match="argument 'skip'"):
        recipe_called("Supervised(network=UNet(skip=False))")


def test_reading_and_comparing_import_no_torch(tmp_path):
    store_run(tmp_path, "U-Net", 0)
    store_run(tmp_path, "FCN-8s", 0)
    code = (
        "import sys; from medseg_lab.evaluation.ledger import ledger_of, read_ledger;"
        "from medseg_lab.evaluation.standings import standings;"
        "found = [one.summary().words for one in standings(read_ledger(sys.argv[1]))];"
        "assert len(found) == 1;"
        "print([name for name in ('torch', 'monai', 'statsmodels', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_collector_works_again_after_a_reading(tmp_path):
    import gc

    assert gc.isenabled()
    read_ledger(tmp_path)
    assert gc.isenabled()


def test_a_custom_budget_keeps_its_numbers(tmp_path):
    store_run(tmp_path, spend=Budget(steps=7, voxels=11, patch=13))
    (row,) = read_ledger(tmp_path).runs.to_dict("records")
    assert (row["budget"], row["steps"], row["voxels"], row["patch"]) == ("custom", 7, 11, 13)


def test_a_measure_that_is_noted_is_read_from_what_the_learner_noted(tmp_path):
    store_run(tmp_path, "U-Net", 0, activity={"pair_memory_mb": 2.5, "kept": 0.4})
    store_run(tmp_path, "U-Net", 1)
    found = read_ledger(tmp_path).runs.sort_values("seed")["pair_memory_mb"]
    np.testing.assert_equal(found.to_numpy(), [2.5, np.nan])
