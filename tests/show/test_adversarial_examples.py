"""Adversarial examples as a figure: which pixels change, and whose."""

import re

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.adversarial import fast_gradient_sign
from medseg_lab.semi.deep_cotraining import DeepCoTraining
from medseg_lab.show.adversarial_examples import adversarial_examples, classes
from medseg_lab.show.figure import described
from medseg_lab.training.recipe import recipe
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a", "b"), 3)


def learner(**arguments) -> DeepCoTraining:
    torch.manual_seed(0)
    made = DeepCoTraining(TASK, network=recipe(UNet, features=(4, 4)), spatial_dims=2, **arguments).eval()
    made.patch = (16, 16)
    return made


def case() -> Case:
    image = torch.randn((1, 20, 16, 3), generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, 20, 16, 3, dtype=torch.uint8)
    label[0, 4:12, 5:13, 1] = 1
    return Case("c", "p", image, label, (1.0, 1.0, 3.0))


def test_what_is_painted_is_what_changes_in_each_network():
    one, drawn = learner(), case()
    fig = adversarial_examples(one, drawn, TASK)(0.3)
    assert_legible(fig)
    image, label = drawn.image[:, :16, :, 1][None], drawn.labels[:, :16, :, 1].long()
    moved = fast_gradient_sign(one.network, image, label, 0.3).image
    wanted = [int((classes(net, moved) != classes(net, image)).sum()) for net in (one.network, one.second)]
    assert wanted[0] > wanted[1]  # it was made against the first
    first, second, *_ = map(int, re.findall(r"network: (\d+)", described(fig)))
    assert [first, second] == wanted


def test_a_change_of_nothing_changes_nothing():
    found = re.findall(r"network: (\d+)", described(adversarial_examples(learner(), case(), TASK)(0.0)))
    assert found == ["0"] * 4


def test_a_single_network_is_refused():
    with pytest.raises(ValueError, match="expected a DeepCoTraining of two networks, got DeepCoTraining"):
        adversarial_examples(learner(weight=0.0), case(), TASK)
