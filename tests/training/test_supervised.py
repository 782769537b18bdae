"""The plain learner."""

import torch
from torch import nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.losses.dice import Dice, DiceCE
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
    learner, drawn = Supervised(TASK, network=SMALL), batch(3)
    losses = learner.losses(drawn, 0)
    assert list(losses) == ["dice_ce"]
    torch.testing.assert_close(losses["dice_ce"], DiceCE()(learner.network(drawn.image), drawn.label))


def test_two_dimensions_on_a_cohort_of_volumes():
    learner, drawn = Supervised(TASK, network=SMALL, spatial_dims=2), batch(2)
    assert learner.task == Task(1, TASK.classes, 2)
    assert learner.predict(drawn.image).shape == (2, 3, 16, 16)
    assert not [m for m in learner.modules() if isinstance(m, nn.Conv3d)]


def test_deep_supervision_is_the_mean_over_the_heads():
    learner, drawn = (
        Supervised(TASK, network=recipe(UNetPlusPlus, features=(4, 8, 16)), loss=recipe(Dice)),
        batch(3),
    )
    heads = learner.network.heads(drawn.image)
    assert len(heads) == 2
    wanted = sum(Dice()(logits, drawn.label) for logits in heads) / 2
    torch.testing.assert_close(learner.losses(drawn, 0)["dice"], wanted)


def test_a_loss_of_ones_own_is_named_after_its_class():
    learner, drawn = Supervised(TASK, network=SMALL, loss=recipe(HalfDice, smooth=2.0)), batch(3)
    found = learner.losses(drawn, 0)
    torch.testing.assert_close(found["half_dice"], Dice(2.0)(learner.network(drawn.image), drawn.label) / 2)


class HalfDice(nn.Module):
    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.whole = Dice(smooth)

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return self.whole(logits, label) / 2
