"""Real or not: the losses by hand, and whom a gradient reaches."""

import math

import pytest
import torch
from torch import nn

from medseg_lab.semi.adversaries.discriminator import (
    Discriminator,
    accuracy,
    fixed,
    standing,
    taken_for,
    told_apart,
)


def test_losses_are_logs_of_what_was_answered():
    real, other = torch.tensor([0.0, math.log(3)]), torch.tensor([-math.log(3)])  # D: 1/2, 3/4; 1/4
    assert taken_for(real, True).item() == pytest.approx(-(math.log(1 / 2) + math.log(3 / 4)) / 2)
    assert taken_for(other, False).item() == pytest.approx(-math.log(3 / 4))
    expected = -(math.log(1 / 2) + math.log(3 / 4)) / 4 - math.log(3 / 4) / 2
    assert told_apart(real, other).item() == pytest.approx(expected)


def test_a_generator_has_a_gradient_where_the_discriminator_is_sure():
    logits = torch.tensor([-20.0], requires_grad=True)
    taken_for(logits, True).backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(-1)


def test_both_kinds_count_alike_in_the_accuracy():
    real, other = torch.tensor([1.0, 1.0, 1.0, -1.0]), torch.tensor([-1.0])
    assert accuracy(real, other).item() == pytest.approx((3 / 4 + 1) / 2)
    assert accuracy(torch.ones(5), torch.ones(5)).item() == 0.5


def test_gradients_pass_through_what_is_fixed():
    module, inputs = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    fixed(module, inputs).sum().backward()
    assert torch.equal(inputs.grad, module.weight)
    assert module.weight.grad is None


@pytest.mark.parametrize("dims", [2, 3])
def test_a_discriminator_sees_how_bright_and_how_large_things_are(dims):
    torch.manual_seed(0)
    images = torch.zeros(3, 1, *(16,) * dims)
    images[1, :, :4], images[2] = 1, 1
    answers = Discriminator(dims, 1)(images)
    assert answers.shape == (3,)
    assert answers.unique().numel() == 3


def test_what_is_noted_has_both_sides_losses_and_no_gradient():
    real, other = torch.tensor([math.log(3)], requires_grad=True), torch.tensor([0.0])  # D: 3/4; 1/2
    found = standing(real, other)
    assert not any(value.requires_grad for value in found.values())
    expected = {
        "discriminator_accuracy": 1.0,  # 0 is no "real"
        "told_apart": (math.log(4 / 3) + math.log(2)) / 2,
        "taken_for_real": math.log(2),
    }
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected)
