"""Same key, same bits; another key, another run; and what a run remembers."""

import shutil

import pytest
import torch
from learning_toys import Diverging, Peeking, Voxelwise, tiny_budget, tiny_cohort, train_tiny

from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.schedule import learning_rate


def weights(run):
    return (run.folder / "weights.safetensors").read_bytes()


def losses(run):
    return run.curves.drop(columns="seconds")


def test_the_same_key_gives_the_same_bits_in_fresh_stores(tmp_path):
    one, two = (train_tiny(tmp_path / name) for name in "ab")
    assert not one.replayed
    assert not two.replayed
    assert one.record.key == two.record.key
    assert weights(one) == weights(two)
    assert losses(one).equals(losses(two))


def test_another_seed_gives_other_weights(tmp_path):
    one, two = (train_tiny(tmp_path, seed=seed) for seed in (0, 1))
    assert one.record.key != two.record.key
    assert weights(one) != weights(two)


def test_a_finished_run_is_replayed_and_says_so(tmp_path, capsys, monkeypatch):
    first = train_tiny(tmp_path)
    monkeypatch.setattr("medseg_lab.training.fit.train", None)  # to train again would fail
    again = fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, store=RunStore(tmp_path))
    assert again.replayed
    assert again.folder == first.folder
    said = capsys.readouterr().out
    assert "Voxelwise, seed 0: replayed (trained 2" in said
    assert again.record.hardware.precision in said


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"steps": 5}, False),
        ({"patch": 7}, False),
        ({"voxels": 8**3}, False),
        ({"checkpoint_seconds": 1.0}, True),
        ({"seeds": 7}, True),
        ({"name": "smoke"}, True),
    ],
)
def test_of_the_budget_only_what_training_sees_is_in_the_key(tmp_path, changes, same):
    first = train_tiny(tmp_path)
    assert train_tiny(tmp_path, **changes).replayed is same
    assert first.replayed is False


def test_learner_cohort_and_judge_are_in_the_key(tmp_path):
    store, judge = RunStore(tmp_path), recipe(Peeking)
    base = {"store": store, "progress": False}
    runs = [
        fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, **base),
        fit(recipe(Voxelwise, learning_rate=1e-3), tiny_cohort(), tiny_budget(), 0, **base),
        fit(recipe(Voxelwise), tiny_cohort("other files"), tiny_budget(), 0, **base),
        fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, judge=judge, **base),
    ]
    assert len({run.record.key for run in runs}) == 4
    assert [run.replayed for run in runs] == [False, False, False, True]  # the last has the first's training
    assert len(store.runs()) == 4


def test_a_training_that_is_judged_otherwise_is_not_trained_again_and_has_the_same_bits(
    tmp_path, monkeypatch
):
    judge = recipe(Peeking)
    alone = train_tiny(tmp_path / "alone", judge=judge)
    first = train_tiny(tmp_path / "store")
    with monkeypatch.context() as broken:
        broken.setattr("medseg_lab.training.fit.train", None)  # to train again would fail
        again = train_tiny(tmp_path / "store", judge=judge)
    assert again.replayed
    assert again.record.key == alone.record.key != first.record.key
    assert weights(again) == weights(first) == weights(alone)
    assert again.cases.equals(alone.cases)
    assert losses(again).equals(losses(alone))
    assert again.record.parameters == alone.record.parameters
    assert again.record.seconds == first.record.seconds
    assert len(list((tmp_path / "store" / ".locks").iterdir())) == 1  # two processes would not both train it
    for run in (first, again):
        shutil.rmtree(run.folder)
    assert not train_tiny(tmp_path / "store").replayed  # what is gone is trained again


def test_what_a_run_remembers(tmp_path):
    cohort = tiny_cohort()
    cohort.open_test("before the run")
    store = RunStore(tmp_path)
    options = {"store": store, "progress": False}
    run = fit(recipe(Voxelwise), cohort, tiny_budget(), 0, judge=recipe(Peeking, test=True), **options)
    record = run.record
    assert record.test_opened == ("to judge",)
    assert record.patch == (8, 8, 8)
    assert record.batch_size == 2
    assert record.parameters == (27 * 4 + 4) + 2 * 4 + (4 * 2 + 2)  # the teacher is not trained
    assert record.seen == 2 * 8**3
    # multiplications and additions a voxel: forward of both networks, backward of the weights, and of
    # what its second convolution reads
    assert record.step_flops == record.seen * 2 * (2 * (27 * 4 + 4 * 2) + (27 * 4 + 4 * 2) + 4 * 2)
    counts = record.cohort
    assert (counts.labelled, counts.unlabelled, counts.validation, counts.test) == (2, 0, 1, 1)
    assert record.seconds > 0
    assert record.peak_memory_mb > 50
    assert list(run.cases["patient"]) == ["007"]
    assert list(run.curves.columns) == ["step", "seconds", "lr", "ce", "follow"]
    assert list((tmp_path / ".partial").iterdir()) == []


def test_a_judge_that_draws_draws_the_same(tmp_path):
    tables = []
    for name in "ab":
        options = {"store": RunStore(tmp_path / name), "judge": recipe(Peeking), "progress": False}
        tables.append(fit(recipe(Voxelwise), tiny_cohort(), tiny_budget(), 0, **options).cases)
        torch.rand(5)
    assert tables[0].equals(tables[1])


def test_the_callers_chance_is_left_alone(tmp_path):
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    train_tiny(tmp_path)
    assert torch.equal(torch.rand(3), wanted)


def test_a_loss_that_is_not_a_number_ends_the_run_and_is_not_kept(tmp_path):
    with pytest.raises(FloatingPointError, match=r"step 2: .*ce = \d.*follow = nan"):
        train_tiny(tmp_path, recipe(Diverging), checkpoint_seconds=1e6)
    assert RunStore(tmp_path).runs() == []


def test_weights_after_a_loss_that_is_not_a_number_are_never_saved(tmp_path):
    with pytest.raises(FloatingPointError):
        train_tiny(tmp_path, recipe(Diverging), checkpoint_seconds=0)
    assert [p.name for p in (tmp_path / ".partial").glob("*/step-*")] == ["step-00000002"]


def test_a_stored_run_does_not_import_at_will(tmp_path):
    run = train_tiny(tmp_path)
    assert run.learner().seen == 4  # this process fitted it, and knows its recipe
    run = RunStore(tmp_path).runs()[0]
    with pytest.raises(ValueError, match="learning_toys"):
        run.learner()
    assert run.learner(recipe=recipe(Voxelwise)).seen == 4
    with pytest.raises(ValueError, match="recipe"):
        run.learner(recipe=recipe(Voxelwise, learning_rate=1.0))


def test_numbers_survive_the_table(tmp_path):
    curves = train_tiny(tmp_path, steps=40).curves
    assert curves["lr"].tolist() == [learning_rate(step, 40, 3e-3) for step in range(40)]
