"""Channel weights by hand, and what they cost."""

import math

import pytest
import torch

from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.squeeze_excitation import ChannelWeights, SqueezeExcitation
from medseg_lab.networks.unet import UNet


def set_(layer, weight, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))


@pytest.mark.parametrize("dims", [2, 3])
def test_two_channels_by_hand(dims):
    """Means 1 and 3; hidden 2 * 1 - 1 * 3 + 3 = 2; weights sigmoid(2 - 1) and sigmoid(-2 * 2)."""
    module = ChannelWeights(2, reduction=16)
    set_(module.squeeze, [[2.0, -1.0]], [3.0])
    set_(module.excite, [[1.0], [-2.0]], [-1.0, 0.0])
    x = torch.tensor([[0.0, 2.0], [3.0, 3.0]]).view(1, 2, 2, *[1] * (dims - 1))
    sigmoid = [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(4))]
    torch.testing.assert_close(module.weights(x), torch.tensor([sigmoid]))
    wanted = torch.tensor([[0.0, 2 * sigmoid[0]], [3 * sigmoid[1]] * 2]).view(x.shape)
    torch.testing.assert_close(module(x), wanted)


def test_a_unit_below_zero_is_cut_off():
    module = ChannelWeights(2)
    set_(module.squeeze, [[-1.0, -1.0]], [0.0])
    set_(module.excite, [[5.0], [5.0]], [0.0, 1.0])
    found = module.weights(torch.ones(1, 2, 3, 3))
    torch.testing.assert_close(found, torch.tensor([[0.5, 1 / (1 + math.exp(-1))]]))


def test_every_image_has_weights_of_its_own_from_the_start():
    """No unit starts at 0 for every image: features behind an activation have means above 0."""
    for seed in range(20):
        torch.manual_seed(seed)
        module = ChannelWeights(16)
        first, second = module.weights(torch.rand(2, 16, 4, 4))
        assert (first != second).any()


def test_its_share_of_the_parameters_by_hand():
    """C h + h + h C + C for each stage, h = max(1, C / 16): four stages down, three up."""
    own = sum(2 * c * h + h + c for c, h in ((16, 1), (32, 2), (64, 4), (128, 8), (16, 1), (32, 2), (64, 4)))
    plain, with_weights = UNet(1, 3), UNet(1, 3, block=SqueezeExcitation())
    assert parameters(with_weights) - parameters(plain) == own == 3766
    assert own / parameters(plain) < 0.01
    work = 2 * sum(2 * c * h for c, h in ((16, 1), (32, 2), (64, 4), (128, 8), (16, 1), (32, 2), (64, 4)))
    image = (1, 1, 64, 64)
    assert flops(with_weights, image) - flops(plain, image) == work


def test_its_activity_is_how_much_weights_differ_between_the_images_of_a_batch():
    """Two images: a weight of 1/2 and one of sigmoid(2); of two numbers, the deviation is half by root 2."""
    module = ChannelWeights(1)
    set_(module.squeeze, [[1.0]], [0.0])
    set_(module.excite, [[1.0]], [0.0])
    module(torch.tensor([0.0, 2.0]).view(2, 1, 1, 1).expand(2, 1, 3, 3))
    wanted = (1 / (1 + math.exp(-2)) - 0.5) / math.sqrt(2)
    torch.testing.assert_close(module.activity()["between_images"], torch.tensor(wanted))
    module(torch.ones(1, 1, 3, 3))
    assert module.activity() == {}  # one image differs from none
    alike = UNet(1, 2, features=(4, 8), block=SqueezeExcitation())
    alike(3 + torch.randn(4, 1, 16, 16) * torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1, 1))
    first = alike.encoder[0][1].activity()["between_images"]
    batch = UNet(1, 2, features=(4, 8), norm="batch", block=SqueezeExcitation())
    batch(3 + torch.randn(4, 1, 16, 16) * torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1, 1))
    assert first < batch.encoder[0][1].activity()["between_images"]
