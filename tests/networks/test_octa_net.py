"""OCTA-Net: the propagation by hand."""

import pytest
import torch
from torch.nn import functional as F

from medseg_lab.data.task import Task
from medseg_lab.networks.measure import flops
from medseg_lab.networks.octa_net import OCTANet, propagated
from medseg_lab.training.names import recipe_called

NINE = torch.arange(9.0).view(1, 1, 3, 3)


def delta(number, shape=(3, 3), of=9):
    return F.one_hot(torch.full((1, *shape), number), of).movedim(-1, 1).float()


def test_equal_weights_are_the_mean_of_the_neighbours():
    found = propagated(NINE, torch.full((1, 9, 3, 3), 1 / 9))
    assert found[0, 0, 1, 1] == pytest.approx(4)  # the mean of 0 to 8
    # at the corner, the border is repeated: 0, 0, 1, 0, 0, 1, 3, 3, 4
    assert found[0, 0, 0, 0] == pytest.approx(12 / 9)


def test_a_weight_of_one_takes_that_neighbour():
    assert torch.equal(propagated(NINE, delta(4)), NINE)  # the fifth of nine is the pixel itself
    left = propagated(NINE, delta(3))  # (0, -1)
    assert torch.equal(left, torch.tensor([[0.0, 0, 1], [3, 3, 4], [6, 6, 7]])[None, None])
    below = propagated(NINE, delta(7))  # (1, 0)
    assert torch.equal(below, torch.tensor([[3.0, 4, 5], [6, 7, 8], [6, 7, 8]])[None, None])


def test_weights_are_each_pixels_own_in_3d_and_for_wider_neighbourhoods():
    volume = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(propagated(volume, delta(13, (4, 5, 6), 27)), volume)
    picture = torch.randn(1, 2, 6, 7)
    assert torch.equal(propagated(picture, delta(12, (6, 7), 25)), picture)


@pytest.mark.parametrize("dims", [2, 3])
def test_its_logits_are_the_logarithm_of_probabilities(dims):
    network = OCTANet(1, 3, dims, features=(4, 8), fine=4).eval()
    image = torch.randn(2, 1, *[12] * dims)
    coarse, fine = network.heads(image)
    assert torch.equal(coarse, network.coarse(image))
    assert coarse.shape == fine.shape
    torch.testing.assert_close(fine.exp().sum(1), torch.ones(2, *[12] * dims), atol=1e-4, rtol=0)
    assert torch.equal(network(image), fine)


def test_both_stages_learn_from_the_fine_answer():
    network = OCTANet(1, 2, features=(4, 8), fine=4)
    network(torch.randn(1, 1, 16, 16)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_coarse_stage_alone_is_widened_to_cost_as_much():
    costs = [
        flops(recipe_called(name).build(Task(3, ("none", "vessel"), 2)).network, (1, 3, 64, 64))
        for name in ("OCTA-Net", "OCTA-Net, coarse alone")
    ]
    assert costs[0] == pytest.approx(costs[1], rel=0.05)


@pytest.mark.parametrize("reach", [1, 4])
def test_a_neighbourhood_has_a_middle(reach):
    with pytest.raises(ValueError, match=f"reach: expected an odd number of 3 or more, got {reach}"):
        OCTANet(1, 2, reach=reach)
