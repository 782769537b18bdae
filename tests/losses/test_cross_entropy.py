"""Eq. (4) in its correct form."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import cross_entropy
from medseg_lab.losses.dice import dice_loss


def logits_of(p: list[float]) -> torch.Tensor:
    """Two-class logits `(1, 2, len(p))` whose foreground probability is p."""
    foreground = torch.tensor([math.log(x / (1 - x)) for x in p])
    return torch.stack([torch.zeros(len(p)), foreground]).unsqueeze(0)


def test_two_classes_by_hand_with_the_parentheses():
    loss = cross_entropy(logits_of([0.8, 0.3]), torch.tensor([[1, 0]]))
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2, rel=1e-6)


def test_as_printed_a_confident_false_alarm_would_be_rewarded():
    background = torch.tensor([[0]])
    mild, bold = (cross_entropy(logits_of([p]), background) for p in (0.2, 0.9))
    assert bold > mild
    assert math.log(1 - 0.9) < math.log(1 - 0.2)  # the printed second term, which would be minimised


def test_an_undecided_network_pays_log_k():
    label = torch.randint(5, (2, 3, 3, 3), generator=torch.Generator().manual_seed(0))
    assert cross_entropy(torch.zeros(2, 5, 3, 3, 3), label).item() == pytest.approx(math.log(5), rel=1e-6)


def test_agrees_with_pytorch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 3, 3, generator=generator)
    label = torch.randint(4, (2, 3, 3, 3), generator=generator)
    torch.testing.assert_close(cross_entropy(logits, label), torch.nn.functional.cross_entropy(logits, label))


def test_gradient_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    label = torch.randint(3, (2, 3, 2), generator=generator)
    assert gradcheck(lambda z: cross_entropy(z, label), logits)
    assert gradcheck(lambda z: dice_ce(z, label), logits)


def test_dice_ce_is_the_sum():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    label = torch.randint(3, (2, 4, 4), generator=generator)
    torch.testing.assert_close(
        dice_ce(logits, label), dice_loss(logits, label) + cross_entropy(logits, label)
    )


def test_half_precision_logits_are_averaged_in_float32():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy(torch.zeros(1, 2, 8, dtype=torch.bfloat16), torch.ones(1, 8, dtype=torch.int64))
    assert loss.dtype == torch.float32


def test_voxels_left_open_are_left_out_by_hand():
    label = torch.tensor([[1, IGNORE, 0, IGNORE]])
    loss = cross_entropy(logits_of([0.8, 0.01, 0.3, 0.99]), label)
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2, rel=1e-6)


def test_the_gradient_is_that_of_the_known_voxels_alone():
    logits = torch.randn(1, 3, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    label = torch.tensor([[2, IGNORE, 0, 1, IGNORE, 1]])
    for loss in (cross_entropy, dice_loss, dice_ce):
        (ours,) = torch.autograd.grad(loss(logits, label), logits)
        kept = label[0] != IGNORE
        (alone,) = torch.autograd.grad(loss(logits[:, :, kept], label[:, kept]), logits)
        torch.testing.assert_close(ours, alone)
        assert (ours[:, :, ~kept] == 0).all()


@pytest.mark.parametrize("loss", [cross_entropy, dice_loss, dice_ce])
def test_a_batch_of_which_nothing_is_known_teaches_nothing(loss):
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    value = loss(logits, torch.full((2, 4, 4), IGNORE))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def plain_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """The formula without a thought of voxels left open."""
    return -logits.log_softmax(dim=1).gather(1, label.unsqueeze(1)).mean()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("layout", ["rows", "channels last"])
@pytest.mark.parametrize("size", [(33, 29), (9, 17, 13)])
def test_where_all_is_known_the_bits_are_those_of_the_plain_formula(classes, layout, size):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, classes, *size, generator=generator)
    if layout == "channels last":
        last = torch.channels_last if len(size) == 2 else torch.channels_last_3d
        logits = logits.contiguous(memory_format=last)
    label = torch.randint(classes, (3, *size), generator=generator)
    logits.requires_grad_()
    ours, plain = cross_entropy(logits, label), plain_cross_entropy(logits, label)
    assert torch.equal(ours, plain)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, plain)))
