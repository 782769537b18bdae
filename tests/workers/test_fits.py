"""Runs that are wanted: the same bits in this process and in workers; what fails, and what is refused."""

import os
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest
from toys import OWN_MODULE, SMALL, tiny_budget, tiny_cohort

from medseg_lab.evaluation.judge import Judge
from medseg_lab.inference.small_components import SmallComponents
from medseg_lab.semi.adversaries.collaborative import CollaborativeLearning
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.training.label_maps import read_label_maps
from medseg_lab.training.notation import add_own_modules, parse
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout
from medseg_lab.workers import fits, kept
from medseg_lab.workers.cluster import Workers
from medseg_lab.workers.fits import Wanted, fit_all, unfit
from medseg_lab.workers.jobs import Job
from medseg_lab.workers.kept import InProcess

NOT_A_NUMBER = """
class NotANumber:
    def __call__(self, logits, label):
        return logits.sum() * float("nan")
"""
TRAINED = recipe(Supervised, network=SMALL)
CHANGED = recipe(MCDropout, learner=TRAINED)


@pytest.fixture(scope="module")
def cohort():
    return tiny_cohort()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    kept.close_workers()


def wanted(cohort, method: Recipe, seed: int = 0, title: str = "one", **budget: int) -> Wanted:
    judge = recipe(Judge, parts=["validation", "test"])
    return Wanted(f"{title}, seed {seed}", method, cohort, tiny_budget(**budget), seed, judge)


def all_labelled(cohort):
    return replace(cohort, unlabelled=())


def bits(runs) -> list[list[bytes]]:
    names = ("weights.safetensors", "cases.csv", "segmentations.npz")
    return [[(run.folder / name).read_bytes() for name in names] for run in runs]


def test_workers_make_the_bits_of_this_process_also_of_own_modules_and_the_rest_finish(tmp_path, cohort):
    module = f"mine_{os.getpid()}"
    (tmp_path / f"{module}.py").write_text(OWN_MODULE + NOT_A_NUMBER)
    add_own_modules(tmp_path)
    own = parse(f"Supervised(network={module}.MyNet(width=2))")
    all_ = [wanted(cohort, method) for method in (CHANGED, TRAINED, own)] + [wanted(cohort, own, 1)]
    plain = fit_all(all_, RunStore(tmp_path / "plain"))
    opened = len(cohort.openings)
    store = RunStore(tmp_path / "workers")
    broken = wanted(
        cohort, parse(f"Supervised(network={module}.MyNet(), loss={module}.NotANumber())"), title="broken"
    )
    with pytest.raises(RuntimeError, match=r"1 of 5 runs failed, see .*: broken, seed 0: FloatingPointError"):
        fit_all([broken, *all_], store, workers=2)
    assert len(cohort.openings) == 2 * opened  # what a worker opens is opened here, too
    again = fit_all(all_, store, workers=2)
    assert [run.replayed for run in (*plain, *again)] == [False] * 4 + [True] * 4
    assert bits(plain) == bits(again)
    (failure,) = (tmp_path / "workers" / ".failed").iterdir()
    assert "the loss is not finite" in failure.read_text()


def test_a_run_that_two_rest_on_is_trained_once_and_first(tmp_path, cohort, monkeypatch):
    begun = []

    def train(job: Job, *arguments):
        begun.append(job.title)
        return real(job, *arguments)

    real = fits.train
    monkeypatch.setattr(fits, "train", train)
    other = recipe(SmallComponents, learner=TRAINED)
    runs = fit_all(
        [wanted(cohort, each, title=title) for title, each in (("a", CHANGED), ("b", other))],
        RunStore(tmp_path),
    )
    assert begun == ["a, seed 0, base", "a, seed 0", "b, seed 0"]
    assert {run.record.bases for run in runs} == {(wanted(cohort, TRAINED).key,)}


def test_each_run_has_its_own_threads_and_is_the_one_that_was_asked_for(tmp_path, cohort):
    one = wanted(cohort, TRAINED)
    runs = fit_all([one, replace(one, threads=2)], RunStore(tmp_path))
    assert [run.record.hardware.threads for run in runs] == [1, 2]
    job, terms = fits.FitJob("another", 1, 0, "another key"), (TRAINED, cohort, one.budget, 0, one.judge)
    with pytest.raises(RuntimeError, match="code or data changed since it was asked for; restart Python"):
        fits.train(job, *terms, tmp_path, (), 1)


def test_the_label_maps_that_were_judged_are_kept(tmp_path, cohort):
    (run,) = fit_all([wanted(cohort, TRAINED)], RunStore(tmp_path))
    cases = [*cohort.validation, *cohort.sealed()]
    found = run.segmentations([*cases, *cohort.labelled])
    assert found.keys() == {case.id for case in cases}
    for case in cases:
        dice = 2 * ((found[case.id] == 1) & (case.label.numpy() == 1)).sum()
        dice /= (found[case.id] == 1).sum() + (case.label.numpy() == 1).sum()
        assert run.cases.set_index("case").loc[case.id, "dice"] == pytest.approx(dice)
    (run.folder / "segmentations.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match=r"segmentations\.npz: expected label maps, got a damaged file"):
        read_label_maps(run.folder / "segmentations.npz", ["c0"])


def test_a_method_that_does_not_suit_is_refused_before_anything_is_trained(tmp_path, cohort):
    flat = tiny_cohort(dims=2)
    volumes = recipe(Supervised, network=SMALL, spatial_dims=3)
    with pytest.raises(ValueError, match=r"tiny: Supervised.* works in 3 dimensions, the data has 2"):
        fit_all([wanted(flat, TRAINED), wanted(flat, volumes)], RunStore(tmp_path))
    assert list(tmp_path.glob("[!.]*")) in ([], [tmp_path / "cache"])


def test_where_all_are_labelled_only_a_method_that_withholds_labels_finds_unlabelled_cases(cohort):
    assert "needs cases without labels" in unfit(recipe(PiModel, network=SMALL), all_labelled(cohort))
    assert not unfit(recipe(CollaborativeLearning, network=SMALL), all_labelled(cohort))


def test_no_more_workers_are_started_than_there_are_jobs_and_none_than_was_said(monkeypatch):
    started = []

    @contextmanager
    def opened(most, threads, gpus, workers):
        started.append(workers)
        yield Workers(InProcess(), f"{workers} workers")

    monkeypatch.setattr(kept, "open_workers", opened)
    for most, workers in [(3, 64), (2, 64), (3, 3), (9, 64), (9, 4)]:
        with kept.kept_workers(most, workers=workers) as found:
            assert found.description == f"{started[-1]} workers"
    assert started == [3, 9, 4]


def test_workers_stay_for_the_next_call_and_are_gone_after_ctrl_c(tmp_path, cohort, monkeypatch):
    with kept.kept_workers(2, workers=2) as found:
        first = {found.executor.submit(os.getpid).result(timeout=120) for _ in range(8)}
    with kept.kept_workers(9, workers=2) as again:
        assert again is found
    with kept.kept_workers(1, workers=2) as alone:
        assert alone.in_process

    def pressed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fits, "run_jobs", pressed)
    with pytest.raises(KeyboardInterrupt, match="stopped: 0 done, 0 failed, 0 interrupted, 2 not started"):
        fit_all([wanted(cohort, TRAINED, seed) for seed in (0, 1)], RunStore(tmp_path), workers=2)
    assert not any(psutil.pid_exists(pid) for pid in first)
    assert not kept._kept


@pytest.mark.parametrize("said", ["0", "many", "-1"])
def test_the_environment_says_how_many_workers_or_is_told_what_is_wrong(monkeypatch, said):
    monkeypatch.setenv(kept.VARIABLE, "3")
    assert kept.asked() == 3
    monkeypatch.setenv(kept.VARIABLE, "")
    assert kept.asked() is None
    monkeypatch.setenv(kept.VARIABLE, said)
    with pytest.raises(ValueError, match=f"MEDSEG_WORKERS: expected a number of 1 or more, got '{said}'"):
        kept.asked()
