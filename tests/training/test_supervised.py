"""The plain learner."""

import pytest
import torch
from torch import nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.losses.combined import dice_ce
from medseg_lab.losses.dice import dice_loss
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

TASK = Task(1, ("background", "a", "b"), 3)
SMALL = recipe(UNet, features=(4, 8))


def batch(dims: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    shape = (2, *[16] * dims)
    return Batch(
        torch.randn(2, 1, *shape[1:], generator=generator), torch.randint(3, shape, generator=generator)
    )


def test_the_loss_is_that_of_the_logits_under_its_name():
    learner, drawn = Supervised(TASK, SMALL), batch(3)
    losses = learner.losses(drawn, 0)
    assert list(losses) == ["dice_ce"]
    torch.testing.assert_close(losses["dice_ce"], dice_ce(learner.network(drawn.image), drawn.label))


def test_two_dimensions_on_a_cohort_of_volumes():
    learner, drawn = Supervised(TASK, SMALL, spatial_dims=2), batch(2)
    assert learner.task == Task(1, TASK.classes, 2)
    assert learner.predict(drawn.image).shape == (2, 3, 16, 16)
    assert not [m for m in learner.modules() if isinstance(m, nn.Conv3d)]


def test_deep_supervision_is_the_mean_over_the_heads():
    learner, drawn = Supervised(TASK, recipe(UNetPlusPlus, features=(4, 8, 16)), loss="dice"), batch(3)
    heads = learner.network.heads(drawn.image)
    assert len(heads) == 2
    wanted = sum(dice_loss(logits, drawn.label) for logits in heads) / 2
    torch.testing.assert_close(learner.losses(drawn, 0)["dice"], wanted)


def test_probabilities_sum_to_one():
    drawn = batch(3)
    with torch.no_grad():
        found = Supervised(TASK, SMALL).predict(drawn.image)
    torch.testing.assert_close(found.sum(1), torch.ones(2, 16, 16, 16))


def test_an_unknown_loss_is_refused_and_the_known_are_named():
    with pytest.raises(ValueError, match=r"'focal'.*dice_ce, dice, cross_entropy"):
        Supervised(TASK, SMALL, loss="focal")
