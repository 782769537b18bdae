"""What a worker finds out before trainings begin, and the cohorts that it keeps."""

import json

import pytest

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.sweeps import precheck
from medseg_lab.sweeps.precheck import must_be_mapped, shared_cohort
from medseg_lab.sweeps.sweep import sweep
from tests.sweeps.sweep_toys import AtOnce, bits, grid_file, toy_folder


@pytest.fixture(autouse=True)
def none_kept():
    shared_cohort.cache_clear()


def test_a_worker_keeps_the_cohort_it_used_last(tmp_path):
    a, b = (str(toy_folder(tmp_path / name, cases=n)) for name, n in (("a", 5), ("b", 6)))
    first = shared_cohort((a, None, None, 0), None)
    assert shared_cohort((a, None, None, 0), None) is first
    assert shared_cohort((b, None, None, 0), None) is not first
    assert shared_cohort((a, None, None, 0), None) is not first


def test_what_fits_one_worker_but_not_all_is_read_from_disk(tmp_path, monkeypatch):
    from medseg_lab.data import memory

    cohort = shared_cohort((str(toy_folder(tmp_path / "a", cases=5)), None, None, 0), None)
    held = sum(case.image.nbytes + case.labels.nbytes for case in (*cohort.labelled, *cohort.validation))
    monkeypatch.setattr(memory, "physical_memory", lambda: held * 4 * 3)  # three workers' shares of a quarter
    assert must_be_mapped(cohort, 3) is None
    assert must_be_mapped(cohort, 4) is True


def test_runs_are_the_same_from_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    grid = grid_file(tmp_path, seeds=1)
    sweep(grid, executor=AtOnce(), store=tmp_path / "held")
    monkeypatch.setattr(precheck, "must_be_mapped", lambda cohort, neighbours: True)
    sweep(grid, executor=AtOnce(), store=tmp_path / "mapped")
    assert any((tmp_path / "cache").rglob("*"))
    assert bits(tmp_path / "held") == bits(tmp_path / "mapped")


def test_regions_are_scored_where_the_card_says_so(tmp_path):
    grid = grid_file(tmp_path, seeds=1)
    said = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "whole": [1]},
        "file_ending": ".nii.gz",
    }
    (tmp_path / "toy" / "dataset.json").write_text(json.dumps(said))
    sweep(grid, executor=AtOnce(), store=tmp_path / "runs")
    ledger = read_ledger(tmp_path / "runs")
    assert ledger.cases["class"].unique().tolist() == ["whole"]
    assert ledger.runs["judge"].tolist() == ["RegionJudge(names=['whole'], members=[[1]])"]
