"""Sweeps in this very process: what is done, recorded, left out, done again."""

import json
import socket
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import pytest
from toys import OWN_MODULE

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.sweeps import execute, precheck
from medseg_lab.sweeps.precheck import check_store
from medseg_lab.sweeps.sweep import sweep
from medseg_lab.training.runs import RunStore
from tests.chapters.small import cell, small_house
from tests.sweeps.sweep_toys import TINY, AtOnce, grid_file, run_folders, toy_folder

DIVERGING = "Supervised(network=UNet(features=[4, 8]), learning_rate=1e+30, spatial_dims=2)"


def swept(grid: Path, **options):
    return sweep(grid, executor=AtOnce(), store=grid.parent / "store", **options)


def failed(store: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(store.glob(".failed/*"))]


def test_every_run_of_the_grid_is_in_the_ledger_once(tmp_path):
    toy_folder(tmp_path / "other", cases=7)
    summary = swept(
        grid_file(tmp_path, datasets=["toy", "other"], labelled=[2, "all"], parts=["validation", "test"])
    )
    runs = read_ledger(summary.store).runs
    assert (summary.total, summary.made, summary.replayed, summary.failures) == (8, 8, 0, ())
    assert sorted(zip(runs["dataset"], runs["labelled"], runs["seed"], strict=True)) == [
        (data, labelled, seed)
        for data, n in (("other", 5), ("toy", 5))
        for labelled in (2, n)
        for seed in (0, 1)
    ]
    assert set(runs["recipe"]) == {TINY}
    assert set(runs["parts"]) == {("validation", "test")}
    assert {key[:16] for key in summary.keys} == set(runs.index)


MINE = f"""
from helpers_of_mine import WIDTH
from medseg_lab.training.supervised import Supervised
{OWN_MODULE.replace("width=3", "width=WIDTH")}
class MyLearner(Supervised):
    share: float = 0.5

    def losses(self, batch, step):
        return {{name: self.share * loss for name, loss in super().losses(batch, step).items()}}
"""


def test_methods_of_ones_own_are_compared_with_the_surveys_and_their_files_are_keyed(tmp_path):
    (tmp_path / "methods_of_mine.py").write_text(MINE)
    (tmp_path / "helpers_of_mine.py").write_text("WIDTH = 3\n")
    mine = "methods_of_mine"
    recipes = {
        "my network": f"Supervised(network={mine}.MyNet(width=4), spatial_dims=2)",
        "my loss": f"Supervised(network=UNet(features=[4, 8]), loss={mine}.MyLoss(), spatial_dims=2)",
        "my learner": f"{mine}.MyLearner(network=UNet(features=[4, 8]), spatial_dims=2, share=0.25)",
        "tiny": TINY,
    }
    summary = swept(grid_file(tmp_path, recipes=recipes, seeds=1))
    assert summary.failures == ()
    runs = read_ledger(summary.store)
    assert set(runs.runs["recipe"]) == set(recipes.values())
    records = [RunStore(summary.store).find(key).record for key in summary.keys]
    assert ["methods_of_mine.py" in record.parts["sources"] for record in records] == [
        True,
        True,
        True,
        False,
    ]
    assert "helpers_of_mine.py" in records[0].parts["sources"]
    assert swept(grid_file(tmp_path, recipes=recipes, seeds=1)).replayed == 4
    (tmp_path / "helpers_of_mine.py").write_text("WIDTH = 5\n")
    with pytest.raises(RuntimeError, match=r"helpers_of_mine\.py was edited after it was imported"):
        swept(grid_file(tmp_path, recipes=recipes, seeds=1))


def test_started_again_only_what_is_missing_runs(tmp_path, capsys):
    swept(grid_file(tmp_path, seeds=1))
    before = {run: (run / "run.json").stat().st_mtime_ns for run in run_folders(tmp_path / "store")}
    capsys.readouterr()
    summary = swept(grid_file(tmp_path, seeds=3))
    assert (summary.total, summary.made, summary.replayed) == (3, 2, 1)
    said = capsys.readouterr().out
    assert "1 of 3 jobs done already" in said
    assert "[2/3] tiny, toy, seed 1: done in" in said
    assert "seed 0" not in said  # it is neither loaded nor handed out
    assert {run: (run / "run.json").stat().st_mtime_ns for run in before} == before


def test_what_fails_is_recorded_with_its_traceback_and_the_rest_go_on(tmp_path):
    summary = swept(grid_file(tmp_path, recipes={"bad": DIVERGING, "tiny": TINY}, seeds=1))
    assert (summary.total, summary.made) == (2, 1)
    (failure,) = summary.failures
    (record,) = failed(tmp_path / "store")
    assert failure.title == record["title"] == "bad, toy, seed 0"
    assert failure.error == record["error"]
    assert failure.error.startswith("FloatingPointError: step ")
    assert "Traceback (most recent call last)" in record["traceback"]
    assert record["job"]["recipe"] == DIVERGING
    assert record["host"] == socket.gethostname()
    assert record["date"][:2] == "20"
    assert str(failure.path) in summary.describe()


def test_a_failure_is_forgotten_once_it_succeeds(tmp_path, monkeypatch):
    from medseg_lab.training import fit

    def broken(*args, **kwargs):
        raise OSError("no space left")

    grid, whole = grid_file(tmp_path, seeds=1), fit.fit
    monkeypatch.setattr(fit, "fit", broken)
    assert [failure.error for failure in swept(grid).failures] == ["OSError: no space left"]
    assert [record["error"] for record in failed(tmp_path / "store")] == ["OSError: no space left"]
    monkeypatch.setattr(fit, "fit", whole)
    summary = swept(grid)
    assert (summary.made, summary.failures) == (1, ())
    assert failed(tmp_path / "store") == []


def test_a_run_that_someone_else_made_clears_its_failure(tmp_path):
    grid = grid_file(tmp_path, seeds=1)
    summary = swept(grid)
    kept = tmp_path / "store" / ".failed" / f"{summary.outcomes[0].job}.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    assert swept(grid).replayed == 1
    assert not kept.exists()


def test_a_dry_run_trains_nothing_and_says_what_is_missing(tmp_path):
    swept(grid_file(tmp_path, seeds=1))
    summary = swept(grid_file(tmp_path, seeds=3), dry_run=True)
    assert summary.waiting == ("tiny, toy, seed 1", "tiny, toy, seed 2")
    assert (summary.total, summary.done) == (3, 1)
    assert len(run_folders(tmp_path / "store")) == 1


def test_a_recipe_that_changes_a_trained_learner_uses_that_training(tmp_path):
    whole = "Supervised(network=UNetPlusPlus(features=[4, 8]), spatial_dims=2)"
    said = {"pruned": f"pruned(learner={whole}, depth=1)", "whole": whole}
    summary = swept(grid_file(tmp_path, recipes=said, seeds=1))
    first, second = (RunStore(summary.store).find(key).record for key in summary.keys)
    assert (first.bases, second.bases) == ((), (first.key,))


def test_what_wants_unlabelled_cases_is_left_out_where_there_are_none(tmp_path, monkeypatch):
    from medseg_lab.training.supervised import Supervised

    monkeypatch.setattr(Supervised, "wants_unlabelled", True)
    summary = swept(grid_file(tmp_path, seeds=1))
    assert (summary.total, summary.done) == (0, 0)
    assert "left out: tiny, toy, seed 0: needs cases without labels" in summary.describe()


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"labelled": [7, "all"]}, ("toy, 7 labelled", "toy: labelled: ", 1)),
        (
            {"recipes": {"tiny": TINY, "odd": "Supervised(network=UNet(), loss='odd')"}},
            ("odd, toy", "recipe ", 1),
        ),
        ({"datasets": ["bad", "toy"]}, ("bad", "bad: ", 1)),
        ({"datasets": ["few", "toy"]}, ("few", "few: ", 1)),
        ({"datasets": ["../gone", "toy"]}, ("gone", "", 1)),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_one_bad_data_set_or_method_is_a_failure_and_the_rest_are_trained(tmp_path, change, failed, dry_run):
    toy_folder(tmp_path / "few", cases=2)
    damaged = toy_folder(tmp_path / "bad") / "imagesTr" / "toy_003.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    summary = swept(grid_file(tmp_path, seeds=1, **change), dry_run=dry_run)
    (failure,) = summary.failures
    assert (failure.title, failure.error[: len(failed[1])], failure.jobs) == failed
    assert (summary.total, summary.made, len(summary.waiting)) == (2, not dry_run, dry_run)
    assert f"{failure}" in summary.describe().splitlines()
    assert len(run_folders(tmp_path / "store")) == (not dry_run)


def test_a_data_set_that_kills_its_workers_fails_alone(tmp_path, monkeypatch):
    class Killed(Exception):
        last_worker = None

    toy_folder(tmp_path / "huge")
    real = precheck.shared_cohort

    def loading(which, mapped):
        if which[0].endswith("huge"):
            raise SystemExit
        return real(which, mapped)

    class Dying(AtOnce):
        def submit(self, fn, /, *args, **kwargs):
            try:
                return super().submit(fn, *args, **kwargs)
            except SystemExit:
                future = Future()
                future.set_exception(Killed())
                return future

    monkeypatch.setattr(precheck, "shared_cohort", loading)
    grid = grid_file(tmp_path, datasets=["huge", "toy"], seeds=1)
    summary = sweep(grid, executor=Dying(), store=tmp_path / "store")
    assert [(one.title, one.error.rpartition(": ")[2]) for one in summary.failures] == [
        ("huge", "out of memory, perhaps")
    ]
    assert summary.made == 1


def test_a_card_that_is_not_there_is_an_error_before_anything_trains(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="gpus: expected 1, got no CUDA card on"):
        swept(grid_file(tmp_path, gpus=1))
    assert run_folders(tmp_path / "store") == []


def test_code_that_changes_while_a_sweep_runs_fails_its_runs(tmp_path, monkeypatch):
    from medseg_lab.training import key

    first = key.sources

    def changing(modules):
        return first(modules) | {"new": str(len(seen))}

    seen, do = [], AtOnce.submit

    def submit(self, fn, /, *args, **kwargs):
        seen.append(fn)
        return do(self, fn, *args, **kwargs)

    monkeypatch.setattr(key, "sources", changing)
    monkeypatch.setattr(AtOnce, "submit", submit)
    (failure,) = swept(grid_file(tmp_path, seeds=1)).failures
    assert failure.error.startswith("RuntimeError: run: sources on ")
    assert run_folders(tmp_path / "store") == []


def test_a_worker_that_sees_another_store_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("NOT_THERE", str(tmp_path / "none"))
    monkeypatch.setattr("medseg_lab.sweeps.precheck.MARKER", "NOT_THERE")
    with pytest.raises(RuntimeError, match=r"store: the worker on .* does not see .*store .*--store"):
        swept(grid_file(tmp_path))


def test_a_worker_that_comes_to_see_another_store_fails_its_runs(tmp_path, monkeypatch):
    def unseen():
        monkeypatch.setenv("MEDSEG_SWEEP", str(tmp_path / "none"))
        check_store()

    monkeypatch.setattr(execute, "check_store", unseen)
    (failure,) = swept(grid_file(tmp_path, seeds=1)).failures
    assert failure.error.startswith("RuntimeError: store: the worker on ")
    assert run_folders(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BrokenExecutor("gone"), "a worker failed to check the data: BrokenExecutor: gone"),
        (OSError("disk"), "a worker failed to check the data: OSError: disk"),
        (RuntimeError("no room to prepare"), "^no room to prepare"),
    ],
)
def test_what_goes_wrong_before_the_first_run_is_one_sentence(tmp_path, monkeypatch, error, said):
    def failing(*args):
        raise error

    monkeypatch.setattr("medseg_lab.sweeps.sweep.precheck", failing)
    with pytest.raises(RuntimeError, match=said):
        swept(grid_file(tmp_path))


def test_stopped_it_says_how_it_stands(tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("medseg_lab.training.fit.fit", stop)
    said = "stopped: 0 done, 0 failed, 0 left running on the cluster, 2 not started"
    with pytest.raises(KeyboardInterrupt, match=said):
        swept(grid_file(tmp_path))


def test_threads_are_part_of_the_run_and_put_back_afterwards(tmp_path):
    import torch

    before = torch.get_num_threads()
    one, two = (swept(grid_file(tmp_path, seeds=1, threads=threads)) for threads in (1, 2))
    records = [RunStore(tmp_path / "store").find(found.keys[0]).record for found in (one, two)]
    assert [record.hardware.threads for record in records] == [1, 2]
    assert torch.get_num_threads() == before


def test_the_data_set_of_the_sweep_is_found_where_it_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDSEG_DATA", "data")
    seen = []
    monkeypatch.setattr(
        "medseg_lab.training.fit.fit", lambda *a, **k: seen.append(__import__("os").environ["MEDSEG_DATA"])
    )
    swept(grid_file(tmp_path, seeds=1))
    assert seen == [str(tmp_path / "data")]


def test_chapters_are_jobs_too(tmp_path, monkeypatch):
    tell = "import os; print('runs in', os.environ['MEDSEG_RUNS'], os.environ['OMP_NUM_THREADS'])"
    house = small_house(tmp_path / "house", cell(tell))
    monkeypatch.setenv("MEDSEG_HOME", str(house.root))
    asked = [{"section": "2.1.1", "budget": "smoke", "seeds": [1, 2]}]
    grid = grid_file(tmp_path, datasets=[], recipes={}, chapters=asked, threads=2)
    first, again = swept(grid), swept(grid)
    assert (first.made, first.replayed, again.made, again.replayed) == (2, 0, 0, 2)
    notebooks = list(house.executed.glob("2.1.1/*/notebook.ipynb"))
    assert len(notebooks) == 2
    assert all(f"runs in {tmp_path}/store 2" in notebook.read_text() for notebook in notebooks)


def test_a_failing_chapter_is_recorded_with_its_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_HOME", str(small_house(tmp_path / "house", cell("1 / 0")).root))
    summary = swept(grid_file(tmp_path, seeds=1, chapters=[{"section": "2.1.1"}]))
    assert summary.made == 1
    (record,) = failed(tmp_path / "store")
    assert record["title"] == "chapter 2.1.1"
    assert "ZeroDivisionError: division by zero" in record["traceback"]


def test_nothing_is_left_of_a_sweep_but_its_runs(tmp_path):
    swept(grid_file(tmp_path, seeds=1))
    hidden = {
        path.name for path in (tmp_path / "store").glob(".*") if not path.is_dir() or any(path.iterdir())
    }
    assert hidden <= {".locks", ".trained"}
