"""Activations (section 2.3.2): the slopes below zero, and units that are zero everywhere."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.activations import PReLU, ReLU, activation_layer
from medseg_lab.networks.deformable import Deformable
from medseg_lab.networks.dilated import Dilated
from medseg_lab.networks.fused_directions import FusedDirections
from medseg_lab.networks.pseudo_3d import PseudoThreeD
from medseg_lab.networks.squeeze_excitation import ChannelWeights, SqueezeExcitation
from medseg_lab.networks.unet import UNet
from medseg_lab.training.supervised import activity


@pytest.mark.parametrize(("name", "below"), [("leaky_relu", -0.02), ("relu", 0.0), ("prelu", -0.5)])
def test_values_below_zero_are_multiplied_by_the_slope(name, below):
    found = activation_layer(name, 1)(torch.tensor([[[-2.0, 0.0, 3.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[below, 0.0, 3.0]]]))


def test_an_unknown_activation_is_refused_by_name():
    with pytest.raises(ValueError, match="expected 'leaky_relu', 'relu' or 'prelu', got 'gelu'"):
        activation_layer("gelu", 1)  # type: ignore[arg-type]


def test_a_unit_is_dead_if_it_is_zero_everywhere_in_the_batch():
    x = -torch.ones(2, 4, 3, 3)
    x[0, 0], x[1, 1, 2, 2] = 1, 0.5  # of four units, two are above zero somewhere
    layer = ReLU()
    assert layer.activity() == {}
    layer(x)
    assert layer.activity()["dead"].item() == 0.5


def test_a_dead_unit_keeps_its_weights_and_a_leaky_one_learns():
    for name, learns in (("relu", False), ("leaky_relu", True)):
        torch.manual_seed(0)
        convolution = nn.Conv2d(1, 2, 3)
        nn.init.constant_(convolution.bias, -100)
        activation_layer(name, 2)(convolution(torch.randn(2, 1, 6, 6))).sum().backward()
        assert convolution.weight.grad.any() == learns


def test_dead_units_are_counted_in_training_alone():
    layer = ReLU()
    layer(torch.ones(1, 1, 2, 2))
    layer.eval()(-torch.ones(1, 1, 2, 2))
    assert layer.activity()["dead"].item() == 0


def test_slopes_say_how_far_they_moved():
    layer = PReLU(2)
    assert layer.activity()["slope_change"].item() == 0
    layer.weight.data = torch.tensor([0.0, 0.35])
    assert layer.activity()["slope_change"].item() == pytest.approx(0.175)


@pytest.mark.parametrize(
    "block",
    [None, Deformable(), Dilated(), FusedDirections(), PseudoThreeD(), SqueezeExcitation()],
    ids=lambda block: type(block).__name__,
)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_unet_has_one_activation_throughout_whatever_its_block(block, spatial_dims):
    network = UNet(1, 2, spatial_dims, features=(4, 4, 4), block=block, activation="prelu")
    weights = {
        id(m) for part in network.modules() if isinstance(part, ChannelWeights) for m in part.modules()
    }
    kinds = {type(m) for m in network.modules() if id(m) not in weights}
    assert PReLU in kinds
    assert not kinds & {ReLU, nn.ReLU, nn.LeakyReLU}


def test_the_activity_of_a_network_is_the_mean_over_its_activations():
    network = UNet(1, 2, features=(4, 8), activation="relu", norm="none")
    network(torch.randn(2, 1, 8, 8))
    layers = [m for m in network.modules() if isinstance(m, ReLU)]
    assert len(layers) == 6
    wanted = sum(m.activity()["dead"].item() for m in layers) / 6
    assert activity(network)["dead"].item() == pytest.approx(wanted)
