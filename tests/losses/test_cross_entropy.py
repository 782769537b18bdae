"""Eq. (4) in its correct form."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from medseg_lab.losses.combined import dice_ce
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
