"""A training looked at on the way is the training that `fit` runs."""

import pytest
import torch
from learning_toys import Voxelwise, tiny_budget, tiny_cohort, train_tiny
from torch import nn

from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.training.watch import watched

TARGETS = [recipe(Voxelwise), recipe(Supervised, network=recipe(UNet, features=(4, 8), dropout=0.3))]


class Remembering(Voxelwise):
    """Keeps a thing that only training needs."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.note: list[str] | None = ["a note"]

    def forget(self) -> None:
        self.note = None


class Pruning(nn.Module):
    """Stands for what changes a trained learner."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()


def watch(target=TARGETS[0], steps=(1, 3, 4), seed=0, **budget):
    return watched(target, tiny_cohort(), tiny_budget(**budget), seed, steps)


def bits(learner: Learner) -> dict[str, torch.Tensor]:
    return learner.state_dict()


def same(first: Learner, second: Learner) -> bool:
    one, other = bits(first), bits(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("target", TARGETS, ids=["toy", "unet"])
def test_the_last_step_has_the_bits_of_the_run(target, tmp_path):
    kept = watch(target)
    run = train_tiny(tmp_path, target).learner(recipe=target)
    assert list(kept) == [1, 3, 4]
    assert same(kept[4], run)
    assert not same(kept[3], run)
    assert not same(kept[1], kept[3])
    assert kept[4].patch == run.patch == (8, 8, 8)
    assert kept[4].precision == run.precision
    assert not kept[1].training


def test_what_is_kept_is_the_learner_after_so_many_steps():
    assert [int(learner.seen) for learner in watch().values()] == [1, 3, 4]


def test_a_learner_on_the_way_predicts():
    kept, image = watch(TARGETS[1]), tiny_cohort().validation[0].image[None]
    with torch.no_grad():
        first, last = (kept[step].predict(image) for step in (1, 4))
        assert torch.equal(first, kept[1].predict(image))
    assert not torch.equal(first, last)


def test_to_look_changes_nothing_in_the_training():
    assert same(watch(steps=(4,))[4], watch(steps=(1, 2, 3, 4))[4])
    assert watch(steps=()) == {}


def test_what_only_training_needs_is_forgotten():
    assert all(learner.note is None for learner in watch(recipe(Remembering)).values())


def test_the_callers_chance_is_left_alone():
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    watch()
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize(("steps", "wrong"), [((0, 1), 0), ((2, 5), 5), ((-1,), -1)])
def test_a_step_outside_the_training_is_refused(steps, wrong):
    with pytest.raises(ValueError, match=f"steps: expected 1 to 4, got {wrong}"):
        watch(steps=steps)


def test_a_recipe_that_trains_nothing_is_refused():
    with pytest.raises(ValueError, match=r"recipe: expected one that trains, got .*Pruning"):
        watch(recipe(Pruning, learner=TARGETS[0]))
