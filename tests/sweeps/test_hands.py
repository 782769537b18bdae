"""Who does the work: how many workers, with which threads and cards, and how much memory each."""

import builtins

import pytest

from medseg_lab.sweeps import cohorts, hands
from medseg_lab.sweeps.cohorts import must_be_mapped, shared_cohort
from medseg_lab.sweeps.grid import Grid
from medseg_lab.sweeps.sweep import sweep
from tests.sweeps.sweep_toys import grid_file, toy_folder


@pytest.mark.parametrize(("cores", "threads", "workers"), [(8, 1, 8), (8, 3, 2), (2, 4, 1)])
def test_the_cores_are_divided_among_workers(monkeypatch, cores, threads, workers):
    monkeypatch.setattr(hands, "cores", lambda: cores)
    found = hands.environments(Grid(threads=threads), None)
    assert len(found) == workers
    assert all(one["OMP_NUM_THREADS"] == str(threads) for one in found)
    assert all(one["CUDA_VISIBLE_DEVICES"] == "-1" for one in found)


def test_threads_do_not_depend_on_the_number_of_workers():
    assert hands.environments(Grid(threads=2), 1)[0] == hands.environments(Grid(threads=2), 7)[6]


def test_each_worker_has_a_card_to_itself(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-ab")
    cards = [one["CUDA_VISIBLE_DEVICES"] for one in hands.environments(Grid(gpus=1), None)]
    assert cards == ["3", "5", "GPU-ab"]
    assert len(hands.environments(Grid(gpus=1), 2)) == 2
    with pytest.raises(ValueError, match="workers: got 4, wanted 3 or fewer: every run takes a card"):
        hands.environments(Grid(gpus=1), 4)


def test_without_a_card_a_grid_that_wants_one_is_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ValueError, match="gpus: got 1, but this machine shows no CUDA card"):
        hands.environments(Grid(gpus=1), None)


def test_without_dask_the_message_says_what_to_install(tmp_path, monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "distributed":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        RuntimeError, match=r"^scheduler: got no .*, wanted it: pip install 'medseg-lab\[cluster\]'$"
    ):
        sweep(grid_file(tmp_path), scheduler="tcp://127.0.0.1:9", store=tmp_path / "store")


@pytest.fixture
def none_kept(monkeypatch):
    from collections import OrderedDict

    kept: OrderedDict = OrderedDict()
    monkeypatch.setattr(cohorts, "_kept", kept)
    return kept


def test_a_worker_keeps_the_cohorts_it_used_last(tmp_path, none_kept):
    folders = [str(toy_folder(tmp_path / name, cases=n)) for name, n in (("a", 5), ("b", 6), ("c", 7))]
    a, b = (shared_cohort((folder, None, None), None) for folder in folders[:2])
    assert shared_cohort((folders[0], None, None), None) is a
    shared_cohort((folders[2], None, None), None)  # b goes: a was used after it
    assert shared_cohort((folders[0], None, None), None) is a
    assert shared_cohort((folders[1], None, None), None) is not b
    assert len(none_kept) == 2


def test_what_fits_one_worker_but_not_all_is_read_from_disk(tmp_path, none_kept, monkeypatch):
    from medseg_lab.data import memory

    cohort = shared_cohort((str(toy_folder(tmp_path / "a", cases=5)), None, None), None)
    held = sum(case.image.nbytes + case.labels.nbytes for case in (*cohort.labelled, *cohort.validation))
    monkeypatch.setattr(memory, "physical_memory", lambda: held * 4 * 3)  # three workers' shares of a quarter
    assert must_be_mapped(cohort, 3) is None
    assert must_be_mapped(cohort, 4) is True


def test_runs_are_the_same_from_disk(tmp_path, monkeypatch):
    from medseg_lab.sweeps import look
    from tests.sweeps.sweep_toys import AtOnce, bits

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    grid = grid_file(tmp_path, seeds=1)
    sweep(grid, executor=AtOnce(), store=tmp_path / "held")
    monkeypatch.setattr(look, "must_be_mapped", lambda cohort, neighbours: True)
    sweep(grid, executor=AtOnce(), store=tmp_path / "mapped")
    assert any((tmp_path / "cache").rglob("*"))
    assert bits(tmp_path / "held") == bits(tmp_path / "mapped")
