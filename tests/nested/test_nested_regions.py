"""Regions and classes by hand, and nested outputs whatever the network says."""

import pytest
import torch
from toys import NAMES

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.nested.dcan import DCAN
from medseg_lab.nested.om_net import OMNet
from medseg_lab.nested.regions import class_probabilities, region_labels
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe

METHODS = [DCAN, OMNet]


def test_labels_of_regions_leave_out_what_nobody_annotated():
    found = region_labels(torch.tensor([[0, 1, 2, 3, IGNORE]]), ((1, 3, 2), (3, 2), (2,)))
    assert found.tolist() == [[[0, 1, 1, 1, IGNORE], [0, 0, 1, 1, IGNORE], [0, 0, 1, 0, IGNORE]]]


def test_a_class_has_what_its_region_has_more_than_the_next_one():
    regions = torch.tensor([0.9, 0.6, 0.1]).view(1, 3, 1)
    assert class_probabilities(regions, ((1, 2, 3), (2, 3), (3,))).flatten().tolist() == pytest.approx(
        [0.1, 0.3, 0.5, 0.1]
    )
    # the outermost is class 3, in it lies class 1, and in that class 2
    assert class_probabilities(regions, ((3, 1, 2), (1, 2), (2,))).flatten().tolist() == pytest.approx(
        [0.1, 0.5, 0.1, 0.3]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_regions_are_nested_for_any_weights_and_image(method, dims, seed):
    torch.manual_seed(seed)
    task = Task(2, NAMES, dims, order=(3, 1, 2))
    learner = method(task, network=recipe(UNet, features=(4, 6))).eval()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.mul_(10 ** torch.empty(()).uniform_(-1, 1))  # from hardly sure to certain
        found = learner.predict(torch.randn(2, 2, *[9] * dims) * 3)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
    # of the regions as they are said, whichever class is which
    whole, core, innermost = (found[:, list(region)].sum(1) for region in task.nested)
    assert torch.all(whole + 1e-6 >= core)
    assert torch.all(core >= innermost)


@pytest.mark.parametrize("method", METHODS)
def test_a_region_inside_another_is_learned(method):
    """A square of 1 in one of -1, in noise: three regions, with a network that sees both squares."""
    torch.manual_seed(0)
    learner = method(Task(1, NAMES[:3], 2), network=recipe(UNet, features=(8, 16)))
    learner.prepare(80, [])
    label = torch.zeros(2, 16, 16, dtype=torch.int64)
    label[:, 2:14, 2:14], label[:, 5:11, 5:11] = 1, 2
    image = torch.tensor([0.0, -1.0, 1.0])[label].unsqueeze(1) + 0.2 * torch.randn(2, 1, 16, 16)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=5e-3)
    for step in range(80):
        optimiser.zero_grad()
        sum(learner.losses(Batch(image, label), step).values()).backward()
        optimiser.step()
    assert (learner.predict(image).argmax(1) == label).float().mean() > 0.97


@pytest.mark.parametrize("method", METHODS)
def test_any_encoder_and_decoder_will_do(method):
    learner = method(Task(1, NAMES, 2), network=recipe(UNetPlusPlus, features=(4, 6, 8)))
    assert learner.predict(torch.randn(1, 1, 10, 11)).shape == (1, 4, 10, 11)


@pytest.mark.parametrize("method", METHODS)
def test_one_region_needs_no_attention(method):
    learner = method(Task(1, NAMES[:2], 2), network=recipe(UNet, features=(4, 6)))
    terms = learner.losses(Batch(torch.randn(1, 1, 8, 8), torch.ones(1, 8, 8, dtype=torch.int64)), 0)
    assert list(terms) == ["region 1"]
    assert learner.noted == {}
