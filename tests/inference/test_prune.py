"""Pruning: a smaller network with the whole one's logits at that depth."""

import pytest
import torch

from medseg_lab.inference.prune import pruned
from medseg_lab.networks.measure import parameters
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_pruned_network_gives_the_logits_of_that_depth(dims, depth):
    torch.manual_seed(0)
    network = UNetPlusPlus(1, 2, dims, features=(4, 6, 8, 10)).eval()
    image = torch.randn(1, 1, *[19] * dims)
    cut = network.pruned(depth)
    assert torch.equal(cut(image), network(image, depth=depth))
    assert len(cut.heads(image)) == depth
    assert parameters(network) == parameters(UNetPlusPlus(1, 2, dims, features=(4, 6, 8, 10)))


def test_depth_by_depth_the_parameters_are_fewer():
    network = UNetPlusPlus(1, 2, features=(4, 6, 8, 10))
    counts = [parameters(network.pruned(depth)) for depth in (1, 2, 3)]
    assert counts == sorted(set(counts))
    assert counts[-1] == parameters(network)
    # depth 1 is a U-Net of two levels with one head
    assert counts[0] == parameters(UNetPlusPlus(1, 2, features=(4, 6)))


@pytest.mark.parametrize("depth", [0, 4])
def test_a_depth_it_does_not_have_is_refused(depth):
    with pytest.raises(ValueError, match=f"got {depth}, wanted 1 to 3"):
        UNetPlusPlus(1, 2, features=(4, 6, 8, 10)).pruned(depth)


def test_what_cannot_be_pruned_is_refused():
    learner = torch.nn.Module()
    learner.network = UNet(1, 2)
    with pytest.raises(ValueError, match="learner of UNet, wanted one whose network can be pruned"):
        pruned(learner, 1)
