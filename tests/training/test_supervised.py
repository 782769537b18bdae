"""The plain learner."""

import pytest
import torch
from torch import nn
from toys import tiny_budget, tiny_cohort

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batch import Batch
from medseg_lab.data.batches import Batches
from medseg_lab.data.task import Task
from medseg_lab.losses.dice import Dice, DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.begin import begin
from medseg_lab.training.device import make_fabric
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


class Quiet(Supervised):
    weight_decay = 0.0
    levels: tuple[int, ...] = (1, 2)


class Loud(nn.Conv2d):
    """Says how large its output is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        self.said = {"size": out.detach().abs().mean()}
        return out

    def activity(self) -> dict[str, torch.Tensor]:
        return self.said


class TwoLoud(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, spatial_dims: int) -> None:
        super().__init__(Loud(in_channels, 2, 1), Loud(2, out_channels, 1))


def test_what_modules_of_a_network_did_is_noted_as_their_mean():
    learner, drawn = Supervised(TASK, network=recipe(TwoLoud), spatial_dims=2), batch(2)
    learner.losses(drawn, 0)
    first, second = learner.network
    inner = first(drawn.image)
    mean = (inner.abs().mean() + second(inner).abs().mean()) / 2
    torch.testing.assert_close(learner.noted, {"size": mean.detach()})
    silent = Supervised(TASK, network=SMALL)
    silent.losses(batch(3), 0)
    assert silent.noted == {}


def test_another_default_needs_no_annotation_and_a_tuple_may_be_given_as_a_list():
    assert Quiet(TASK, network=SMALL).weight_decay == 0.0
    assert Supervised(TASK, network=SMALL).weight_decay == 0.0
    assert Quiet(TASK, network=SMALL, levels=[3]).levels == (3,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"network": None}, "Supervised: network: expected a recipe, got NoneType"),
        ({"network": UNet(1, 3, 3)}, "Supervised: network: expected a recipe, got UNet"),
        ({"network": recipe(Dice)}, "Dice: got an unexpected keyword argument 'in_channels'"),
        ({"network": SMALL, "loss": recipe(Augmentation)}, "Supervised: loss: expected callable"),
        (
            {"network": SMALL, "augmentation": recipe(Dice)},
            "augmentation: expected an instance of Augmentation",
        ),
        ({"network": SMALL, "learning_rate": recipe(Dice)}, "learning_rate: expected a valid number"),
        ({"network": SMALL, "reading": "nobody's"}, "reading: expected 'reference', 'random'"),
    ],
)
def test_what_is_not_as_annotated_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Supervised(TASK, **arguments)


def test_a_hyper_parameter_may_not_hide_what_a_method_has():
    with pytest.raises(TypeError, match="Hiding: expected another name for the hyper-parameter 'steps'"):
        type("Hiding", (Supervised,), {"__annotations__": {"steps": int}, "steps": 3})


def test_a_loss_may_be_made_of_losses():
    learner, drawn = (
        Supervised(TASK, network=SMALL, loss=recipe(Mean, losses=[recipe(Dice), recipe(DiceCE)])),
        batch(3),
    )
    logits = learner.network(drawn.image)
    wanted = (Dice()(logits, drawn.label) + DiceCE()(logits, drawn.label)) / 2
    torch.testing.assert_close(learner.losses(drawn, 0)["mean"], wanted)


class Mean:
    def __init__(self, losses):
        self.parts = losses

    def __call__(self, logits, label):
        return sum(part(logits, label) for part in self.parts) / len(self.parts)


def test_the_augmentation_of_the_recipe_is_that_of_the_training():
    room, fabric = tiny_budget(), make_fabric("32-true")
    found = {}
    for name, how in {
        "all": recipe(Augmentation),
        "none": recipe(Augmentation, spatial=False, intensity=False),
    }.items():
        target = recipe(Supervised, network=SMALL, augmentation=how)
        found[name] = begin(target, tiny_cohort(), room, 0, fabric)[1].batch(0).image
    cohort = tiny_cohort()
    plain = Batches(
        cohort,
        cohort.task,
        room.voxels,
        room.patch,
        augmentation=Augmentation(spatial=False, intensity=False),
    )
    assert torch.equal(found["none"], plain.batch(0).image)
    assert not torch.equal(found["all"], found["none"])
