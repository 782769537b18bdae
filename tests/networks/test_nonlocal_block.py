"""The non-local block by the survey's equations, on a few pixels, and what it costs."""

import math

import pytest
import torch

from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.nonlocal_block import Attention, NonLocal, attention_map
from medseg_lab.networks.unet import UNet
from medseg_lab.training.names import recipe_called


def by_hand(pooled: bool = False) -> Attention:
    """Of two channels, theta and phi read the first and g the second; the last adds 10 times to the first."""
    module = Attention(2, 2, pooled)
    rows = {"theta": [1.0, 0.0], "phi": [1.0, 0.0], "g": [0.0, 1.0]}
    with torch.no_grad():
        for name, row in rows.items():
            getattr(module, name).weight.copy_(torch.tensor(row).view(1, 2, 1, 1))
            getattr(module, name).bias.zero_()
        module.out.weight.copy_(torch.tensor([10.0, 0.0]).view(2, 1, 1, 1))
    return module


def test_equations_1_to_3_on_three_pixels():
    first, second = [0.0, 1.0, 2.0], [3.0, 5.0, 7.0]  # theta and phi; g
    x = torch.tensor([first, second]).view(1, 2, 1, 3)
    module = by_hand()
    rows = [[math.exp(a * b) for b in first] for a in first]
    weights = [[value / sum(row) for value in row] for row in rows]
    torch.testing.assert_close(module.weights(x)[0], torch.tensor(weights))
    means = [sum(w * g for w, g in zip(row, second, strict=True)) for row in weights]
    wanted = x.clone()
    wanted[0, 0, 0] += 10 * torch.tensor(means)
    torch.testing.assert_close(module(x), wanted)


def test_similarities_are_divided_by_the_root_of_their_channels():
    """Four channels, so theta and phi have two: (1, 3) times (2, 1) is 5, and times 0 is 0."""
    module = Attention(2, 4, pooled=False)
    with torch.no_grad():
        for conv, first in ((module.theta, 0), (module.phi, 2)):
            conv.weight.zero_()
            conv.bias.zero_()
            for row in (0, 1):
                conv.weight[row, first + row] = 1.0
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]]).view(1, 4, 1, 2)
    share = 1 / (1 + math.exp(-5 / math.sqrt(2)))
    torch.testing.assert_close(module.weights(x)[0, 0], torch.tensor([share, 1 - share]))


def test_pooled_keys_on_four_pixels():
    """Keys are the greater of two neighbours: 1 and 3; values 5 and 8."""
    x = torch.tensor([[0.0, 1.0, 3.0, 2.0], [5.0, 4.0, 7.0, 8.0]]).view(1, 2, 1, 4)
    module = by_hand(pooled=True)
    share = [math.exp(3 * a) / (math.exp(a) + math.exp(3 * a)) for a in (0.0, 1.0, 3.0, 2.0)]
    torch.testing.assert_close(module.weights(x)[0, :, 1], torch.tensor(share))
    added = (module(x) - x)[0, 0, 0]
    torch.testing.assert_close(added, 10 * torch.tensor([5 + 3 * s for s in share]))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("pooled", [True, False])
def test_it_starts_as_the_identity(dims, pooled):
    """Bit for bit: a U-Net with the block is the U-Net with the same other weights."""
    torch.manual_seed(0)
    network = UNet(1, 2, dims, features=(4, 4, 6), block=NonLocal(pooled=pooled))
    # "encoder.1.0" is the double convolution of the first level that has an attention beside it
    names = {
        name: name.replace(".0.", ".", 1) if name.startswith(("encoder.1.0.", "encoder.2.0.")) else name
        for name in network.state_dict()
        if not name.startswith(("encoder.1.1.", "encoder.2.1."))
    }
    plain = UNet(1, 2, dims, features=(4, 4, 6))
    plain.load_state_dict(
        {names[name]: value for name, value in network.state_dict().items() if name in names}
    )
    image = torch.randn(2, 1, *(13, 10, 9)[:dims])
    assert torch.equal(network(image), plain(image))


def test_only_the_encoders_coarsest_levels_have_it():
    for levels, wanted in ((1, [8]), (2, [6, 8])):
        network = UNet(1, 2, features=(4, 6, 8), block=NonLocal(levels))
        found = [m.theta.in_channels for m in network.modules() if isinstance(m, Attention)]
        assert found == wanted


@pytest.mark.parametrize(("dims", "share"), [(2, 4), (3, 8)])
def test_its_cost_grows_with_the_square_of_the_pixels(dims, share):
    """By hand, with L pixels, C = 4: 1x1 convolutions 4 * 2 * 4 * 2 L, two products 2 * 2 * 2 L M."""
    for pooled, keys in ((False, 1), (True, share)):
        module = Attention(dims, 4, pooled)
        for side in (8, 16, 32):
            pixels = side**dims if dims == 2 else side * 8 * 8
            shape = (side, side) if dims == 2 else (side, 8, 8)
            assert flops(module, (1, 4, *shape)) == 64 * pixels + 8 * pixels * pixels // keys


def test_the_map_of_a_pixel_is_its_row_of_weights():
    """A network whose coarsest level attends from a bright place to bright places, at a stride of 4."""
    network = UNet(1, 2, features=(1, 1, 2), norm="none", block=NonLocal(1, pooled=False))
    for stage in network.encoder:
        for conv in [
            m for m in stage.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)
        ]:
            torch.nn.init.zeros_(conv.weight)
            torch.nn.init.zeros_(conv.bias)
            conv.weight.data[:, 0, 1, 1] = 1.0  # each channel is the image itself
    attention = network.encoder[2][1]
    for conv in (attention.theta, attention.phi):
        torch.nn.init.ones_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    image = torch.zeros(1, 1, 7, 10)  # padded to 8 x 12, so the map is 2 x 3
    image[..., :4, 8:] = 0.5
    # two channels of .5 and weights of 1: theta and phi are 1 in the third of six keys, else 0
    bright = attention_map(network, image, (1, 9))
    assert bright.shape == (7, 10)
    high, low = 6 * math.e / (5 + math.e), 6 / (5 + math.e)
    wanted = torch.full((7, 10), low)
    wanted[:4, 8:] = high
    torch.testing.assert_close(bright, wanted)
    torch.testing.assert_close(attention_map(network, image, (6, 0)), torch.ones(7, 10))
    with pytest.raises(ValueError, match="level: expected one of 1 attentions, got 1"):
        attention_map(network, image, (0, 0), level=1)


def test_the_map_of_pooled_keys_covers_the_image():
    network = UNet(1, 2, 3, features=(2, 3, 4), block=NonLocal())
    for level in (0, 1):
        found = attention_map(network, torch.randn(1, 1, 13, 10, 9), (12, 9, 8), level)
        assert found.shape == (13, 10, 9)
        assert found.isfinite().all()


def test_the_u_net_that_it_is_compared_with_is_as_large():
    sizes = [
        [parameters(network), flops(network, (1, 1, 64, 64))]
        for name in ("Non-local U-Net", "U-Net as large as Non-local")
        for network in [recipe_called(name).arguments["network"].build(in_channels=1, out_channels=3)]
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_its_activity_is_how_much_what_it_adds_varies_over_the_image():
    module = Attention(2, 4, pooled=False)
    x = torch.randn(2, 4, 6, 6)
    assert module(x) is not None
    assert module.activity()["added"] == 0  # it starts at nothing
    with torch.no_grad():
        module.out.bias.fill_(3.0)
        module(x)
        assert module.activity()["added"] < 1e-6  # the same everywhere
        for layer in (module.g, module.out):
            torch.nn.init.ones_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        module.weights = lambda x: torch.eye(36).expand(2, 36, 36)  # each pixel attends to itself
        module(x)
    # g adds up 4 channels for each of 2, and the last layer those 2 for each of 4
    total = 2 * x.sum(1).flatten(1)
    wanted = (
        total.var(dim=1, correction=0).mean().sqrt() / x.flatten(2).var(dim=2, correction=0).mean().sqrt()
    )
    torch.testing.assert_close(module.activity()["added"], wanted)
