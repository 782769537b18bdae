"""Eqs. (6)-(8): by hand, by autograd in double precision, and beside MONAI."""

import pytest
import torch
from monai.losses.dice import DiceLoss
from torch.autograd import gradcheck

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.dice import dice_loss


def certain(label: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits whose softmax is exactly the one-hot of the label."""
    onehot = torch.nn.functional.one_hot(label, classes).movedim(-1, 1).float()
    return (onehot - 1) * 1e4


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 4, 5, 6, generator=generator), torch.randint(4, (3, 5, 6), generator=generator)


def test_two_voxels_by_hand():
    # p = (1/2, 3/4), y = (0, 1): 1 - (2 * 3/4 + 1) / (5/4 + 1 + 1) = 1 - 2.5 / 3.25
    logits = torch.tensor([[[0.0, 0.0], [0.0, 3.0]]])
    logits[0, 1, 1] = torch.log(torch.tensor(3.0))
    loss = dice_loss(logits, torch.tensor([[0, 1]]))
    torch.testing.assert_close(loss, torch.tensor(1 - 2.5 / 3.25))


def test_the_mean_is_over_the_foreground_classes():
    # class 1: right, Dice 1. Class 2: one voxel, missed: (0 + 1) / (0 + 1 + 1) = 1/2. Background: no matter.
    label = torch.tensor([[0, 1, 2]])
    logits = certain(torch.tensor([[0, 1, 0]]), 3)
    assert dice_loss(logits, label).item() == pytest.approx(1 - (1 + 0.5) / 2)


def test_nothing_there_and_nothing_predicted_is_no_loss():
    empty = torch.zeros(2, 4, 4, dtype=torch.int64)
    assert dice_loss(certain(empty, 3), empty).item() == 0.0


def test_a_perfect_prediction_is_no_loss():
    label = torch.randint(3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    assert dice_loss(certain(label, 3), label).item() == 0.0


def test_smoothing_is_above_and_below():
    # nothing predicted, nine voxels there: 1 - s / (9 + s)
    label = torch.ones(1, 3, 3, dtype=torch.int64)
    logits = certain(torch.zeros_like(label), 2)
    assert dice_loss(logits, label).item() == pytest.approx(0.9)
    assert dice_loss(logits, label, smooth=3.0).item() == pytest.approx(0.75)


def test_pooling_by_sample_is_the_mean_of_the_samples(drawn):
    logits, label = drawn
    single = [dice_loss(logits[i : i + 1], label[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(dice_loss(logits, label, pool="sample"), torch.stack(single).mean())
    assert not torch.allclose(dice_loss(logits, label), torch.stack(single).mean())


@pytest.mark.parametrize("pool", ["batch", "sample"])
def test_agrees_with_monai_at_the_same_settings(drawn, pool):
    logits, label = drawn
    monai = DiceLoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        smooth_nr=1.0,
        smooth_dr=1.0,
        batch=pool == "batch",
    )
    torch.testing.assert_close(dice_loss(logits, label, pool=pool), monai(logits, label.unsqueeze(1)))


@pytest.mark.parametrize("pool", ["batch", "sample"])
def test_gradient_in_double_precision(pool):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 3, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    label = torch.randint(3, (2, 3, 2), generator=generator)
    assert gradcheck(lambda z: dice_loss(z, label, pool=pool), logits)


def test_half_precision_logits_are_summed_in_float32():
    label = torch.ones(1, 64, 64, dtype=torch.int64)
    logits = torch.zeros(1, 2, 64, 64, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = dice_loss(logits, label)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1 - (4096 + 1) / (2048 + 4096 + 1), abs=1e-6)


@pytest.mark.parametrize(
    ("logits", "label"), [((2, 3, 4, 4), (2, 4, 5)), ((2, 3, 4, 4), (2, 1, 4, 4)), ((2, 1, 4, 4), (2, 4, 4))]
)
def test_shapes_that_do_not_belong_together_are_refused(logits, label):
    with pytest.raises(ValueError, match="wanted"):
        dice_loss(torch.zeros(logits), torch.zeros(label, dtype=torch.int64))


def test_voxels_left_open_enter_no_sum_by_hand():
    # As the two voxels above, with a third that is left open and surely foreground to the network.
    logits = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 3.0, 9.0]]])
    logits[0, 1, 1] = torch.log(torch.tensor(3.0))
    label = torch.tensor([[0, 1, IGNORE]])
    for pool in ("batch", "sample"):
        torch.testing.assert_close(dice_loss(logits, label, pool=pool), torch.tensor(1 - 2.5 / 3.25))


def test_a_sample_of_which_nothing_is_known_is_no_loss():
    label = torch.stack([torch.ones(3, 3, dtype=torch.int64), torch.full((3, 3), IGNORE)])
    logits = certain(torch.zeros_like(label), 2)
    assert dice_loss(logits, label, pool="sample").item() == pytest.approx(0.9 / 2)


def plain_dice_loss(logits: torch.Tensor, label: torch.Tensor, pool: str) -> torch.Tensor:
    """The formula without a thought of voxels left open."""
    p = logits.softmax(dim=1)[:, 1:]
    classes = torch.arange(1, logits.shape[1]).reshape(1, -1, *[1] * (label.ndim - 1))
    y = (label.unsqueeze(1) == classes).to(p.dtype)
    over = tuple(d for d in range(p.ndim) if d != 1 and not (d == 0 and pool == "sample"))
    return 1 - ((2 * (p * y).sum(over) + 1) / (p.sum(over) + y.sum(over) + 1)).mean()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("layout", ["rows", "channels last"])
@pytest.mark.parametrize("pool", ["batch", "sample"])
@pytest.mark.parametrize("size", [(33, 29), (9, 17, 13)])
def test_where_all_is_known_the_bits_are_those_of_the_plain_formula(classes, layout, pool, size):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, classes, *size, generator=generator)
    if layout == "channels last":
        last = torch.channels_last if len(size) == 2 else torch.channels_last_3d
        logits = logits.contiguous(memory_format=last)
    label = torch.randint(classes, (3, *size), generator=generator)
    logits.requires_grad_()
    ours, plain = dice_loss(logits, label, pool=pool), plain_dice_loss(logits, label, pool)
    assert torch.equal(ours, plain)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, plain)))
