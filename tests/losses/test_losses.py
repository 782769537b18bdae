"""What every loss keeps to, and losses as recipes."""

from math import log

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice, DiceCE
from medseg_lab.losses.focal import Focal
from medseg_lab.losses.generalised_dice import GeneralisedDice
from medseg_lab.networks.unet import UNet
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

LOSSES = [CrossEntropy(), Dice(), Dice(pool="sample"), DiceCE(), Focal(), Focal(gamma=0.5), GeneralisedDice()]
every = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def drawn(*shape: int, classes: int = 3, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Logits `(N, K, *S)` and a label `(N, *S)`."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape[0], classes, *shape[1:], generator=generator, dtype=dtype)
    return logits, torch.randint(classes, shape, generator=generator)


def test_dice_ce_is_the_sum():
    logits, label = drawn(2, 4, 4)
    wanted = Dice()(logits, label) + CrossEntropy()(logits, label)
    torch.testing.assert_close(DiceCE()(logits, label), wanted)


@every
def test_gradient_in_double_precision(loss):
    logits, label = drawn(2, 3, 2, dtype=torch.float64)
    assert gradcheck(lambda z: loss(z, label), logits.requires_grad_())


@every
def test_the_gradient_is_that_of_the_known_voxels_alone(loss):
    logits = drawn(1, 6)[0].requires_grad_()
    label = torch.tensor([[2, IGNORE, 0, 1, IGNORE, 1]])
    (found,) = torch.autograd.grad(loss(logits, label), logits)
    kept = label[0] != IGNORE
    (alone,) = torch.autograd.grad(loss(logits[:, :, kept], label[:, kept]), logits)
    torch.testing.assert_close(found, alone)
    assert (found[:, :, ~kept] == 0).all()


@every
def test_without_known_voxels_loss_and_gradient_are_0(loss):
    logits = drawn(2, 4, 4)[0].requires_grad_()
    value = loss(logits, torch.full((2, 4, 4), IGNORE))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def plain_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """The formula without `IGNORE`."""
    return -logits.log_softmax(dim=1).gather(1, label.unsqueeze(1)).mean()


def plain_dice(logits: Tensor, label: Tensor, first: int) -> Tensor:
    """The formula without `IGNORE`; sums run over axis `first` and all axes of space."""
    p = logits.softmax(dim=1)[:, 1:]
    classes = torch.arange(1, logits.shape[1]).reshape(1, -1, *[1] * (label.ndim - 1))
    y = (label.unsqueeze(1) == classes).to(p.dtype)
    over = tuple(d for d in range(p.ndim) if d != 1 and d >= first)
    return 1 - ((2 * (p * y).sum(over) + 1) / (p.sum(over) + y.sum(over) + 1)).mean()


PLAIN = [
    (CrossEntropy(), plain_cross_entropy),
    (Dice(), lambda logits, label: plain_dice(logits, label, 0)),
    (Dice(pool="sample"), lambda logits, label: plain_dice(logits, label, 2)),
]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(33, 29), (9, 17, 13)])
@pytest.mark.parametrize(("loss", "plain"), PLAIN, ids=["ce", "dice", "dice by sample"])
def test_where_all_is_known_the_bits_are_those_of_the_plain_formula(loss, plain, size, channels_last):
    logits, label = drawn(3, *size, classes=4)
    if channels_last:
        last = torch.channels_last if len(size) == 2 else torch.channels_last_3d
        logits = logits.contiguous(memory_format=last)
    logits.requires_grad_()
    values = [one(logits, label) for one in (loss, plain)]
    assert torch.equal(*values)
    assert torch.equal(*(torch.autograd.grad(value, logits)[0] for value in values))


@every
def test_half_precision_logits_are_summed_in_float32(loss):
    label = torch.ones(1, 64, 64, dtype=torch.int64)
    logits = torch.zeros(1, 2, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(logits.bfloat16(), label)
    assert found.dtype == torch.float32
    # ln 2 of each voxel; the Dice of p = 1/2 on 4,096 voxels; both classes weigh as much, and half is wrong
    cross_entropy, dice = log(2), 1 - (4096 + 1) / (2048 + 4096 + 1)
    wanted = {"CrossEntropy": cross_entropy, "Dice": dice, "DiceCE": cross_entropy + dice}
    wanted |= {"Focal": cross_entropy * 0.5 ** getattr(loss, "gamma", 0), "GeneralisedDice": 0.5}
    assert found.item() == pytest.approx(wanted[type(loss).__name__], abs=1e-6)


@every
@pytest.mark.parametrize(
    ("logits", "label", "said"),
    [
        ((2, 3, 4, 4), (2, 4, 5), r"label: expected the shape .* of logits .*, got \(2, 4, 5\)"),
        ((2, 3, 4, 4), (2, 1, 4, 4), "label: expected"),
        ((2, 1, 4, 4), (2, 4, 4), r"logits: expected .* at least 2 classes, got \(2, 1, 4, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(loss, logits, label, said):
    with pytest.raises(ValueError, match=said):
        loss(torch.zeros(logits), torch.zeros(label, dtype=torch.int64))


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (recipe(DiceCE), ""),
        (recipe(Dice, smooth=1.0, pool="batch"), ", loss=Dice()"),
        (recipe(Dice, smooth=3), ", loss=Dice(smooth=3.0)"),
        (recipe(Dice, pool="sample"), ", loss=Dice(pool='sample')"),
        (recipe(CrossEntropy), ", loss=CrossEntropy()"),
        (recipe(Focal, gamma=2), ", loss=Focal()"),
        (recipe(Focal, gamma=3), ", loss=Focal(gamma=3.0)"),
        (recipe(GeneralisedDice), ", loss=GeneralisedDice()"),
    ],
)
def test_a_loss_is_a_recipe_that_is_written_without_its_defaults(loss, text):
    learner = recipe(Supervised, network=recipe(UNet), loss=loss)
    assert written(learner) == f"Supervised(network=UNet(){text})"
    assert parse(written(learner)) == learner
    built = parse(written(learner)).build(Task(1, ("background", "a"), 2))
    assert built.loss == loss.build()


def test_a_pool_that_is_neither_is_refused_where_the_loss_is_built():
    said = "pool: expected 'batch' or 'sample', got 'samples'"
    with pytest.raises(ValueError, match=said):
        Dice(pool="samples")
    with pytest.raises(ValueError, match=said):
        parse("Supervised(network=UNet(), loss=Dice(pool='samples'))").build(Task(1, ("background", "a"), 2))
