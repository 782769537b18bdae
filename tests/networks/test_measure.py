"""Parameters, FLOPs and receptive fields against arithmetic."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.measure import activations, flops, influence, parameters, receptive_field
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet


def test_parameters_are_those_that_train():
    layer = nn.Conv2d(2, 3, 3)
    assert parameters(layer) == 3 * 2 * 9 + 3
    layer.bias.requires_grad_(False)
    assert parameters(layer) == 3 * 2 * 9


def test_a_multiply_add_counts_as_two():
    assert flops(nn.Conv2d(2, 3, 3, padding=1), (1, 2, 10, 10)) == 2 * 100 * 3 * 2 * 9
    assert flops(nn.Conv3d(1, 1, 1), (4, 1, 5, 5, 5)) == 2 * 4 * 125


def test_what_a_step_keeps_by_hand():
    # The first convolution keeps the image; its output is activated in place, and kept once for both that
    # and the second convolution; the second keeps nothing more. 4 bytes a value; weights are not counted.
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.LeakyReLU(inplace=True), nn.Conv2d(2, 3, 3, padding=1)]
    assert activations(nn.Sequential(*layers), (1, 1, 8, 8)) == 4 * 64 * (1 + 2)
    # A norm keeps its input, besides its output, and a mean and a deviation of each channel.
    normed = activations(nn.Sequential(layers[0], nn.BatchNorm2d(2), *layers[1:]), (1, 1, 8, 8))
    assert normed == 4 * 64 * (1 + 2 + 2) + 2 * 2 * 4


@pytest.mark.parametrize(
    "network", [UNet(1, 2, 3, features=(4, 4, 8)), UNetPlusPlus(1, 2, features=(4, 4, 8))]
)
def test_what_a_step_keeps_grows_with_the_image_and_not_with_the_weights(network):
    dims = 3 if network.head.weight.ndim == 5 else 2
    small, large = (activations(network, (1, 1, *[edge] * dims)) for edge in (16, 32))
    assert large == pytest.approx(2**dims * small, rel=0.01)


def test_all_heads_count_as_in_training():
    shape = (1, 1, 32, 32)
    plain, headed = (UNet(1, 2, features=(4, 4, 4), deep_supervision=deep) for deep in (False, True))
    enlarged_features = 4 * 4 * 16 * 16  # what the auxiliary head reads is kept already; nothing else is
    assert 0 <= activations(headed, shape) - activations(plain, shape) <= enlarged_features


def test_measuring_does_not_change_the_network():
    network = UNet(1, 2, features=(2, 4)).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    flops(network, (1, 1, 16, 16))
    receptive_field(network, 64)
    activations(network, (1, 1, 16, 16))
    influence(network, torch.randn(1, 1, 16, 16))
    assert all(p.grad is None for p in network.parameters())
    assert network.training
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ([nn.Conv2d(1, 1, 3, padding=1)], 3),
        ([nn.Conv2d(1, 1, 3, padding=1)] * 3, 7),
        ([nn.Conv2d(1, 1, 3, padding=2, dilation=2)], 5),  # the outer taps are 4 apart
        ([nn.Conv2d(1, 1, 3, padding=1), nn.LeakyReLU(), nn.InstanceNorm2d(1), nn.Dropout2d()], 3),
        # Pooling reads 2, the convolution after it 3 of those: 6.
        (
            [
                nn.MaxPool2d(2, ceil_mode=True),
                nn.Conv2d(1, 1, 3, padding=1),
                nn.ConvTranspose2d(1, 1, 2, stride=2),
            ],
            6,
        ),
    ],
)
def test_the_field_of_a_few_layers_by_hand(layers, field):
    assert receptive_field(nn.Sequential(*layers), 32) == (field, field)


def test_an_anisotropic_kernel_has_an_anisotropic_field():
    assert receptive_field(nn.Conv3d(1, 2, (1, 3, 5), padding=(0, 1, 2)), 16) == (1, 3, 5)


def _u_field(levels, radius, convs, position=256):
    """The field of a U-Net by intervals: the voxels that each stage reads, from the output to the image.

    A convolution reads `radius` voxels to either side; a stage of level i has `convs[i]` convolutions.
    """
    low, high = position, position
    for i in range(levels - 1):  # down the decoder: its stage, then the transposed convolution
        low, high = (low - radius * convs[i]) // 2, (high + radius * convs[i]) // 2
    low, high = low - radius * convs[-1], high + radius * convs[-1]
    for i in reversed(range(levels - 1)):  # up the encoder: pooling reads both halves, then the stage
        low, high = 2 * low - radius * convs[i], 2 * high + 1 + radius * convs[i]
    return high - low + 1


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("skips", [True, False])
def test_the_field_of_the_u_net_by_formula(levels, skips):
    field = _u_field(levels, 1, [2] * levels)
    assert receptive_field(UNet(1, 2, 2, features=(2,) * levels, skips=skips), 256) == (field, field)


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_field_of_the_v_net_by_formula(kernel):
    network = VNet(1, 2, features=(2, 2, 2), convs=(1, 2, 3), kernel=kernel)
    field = _u_field(3, kernel // 2, (1, 2, 3))
    assert receptive_field(network, 512) == (field, field)


def test_each_depth_of_a_u_net_pp_sees_as_far_as_a_u_net_of_that_depth():
    network = UNetPlusPlus(1, 2, features=(2, 2, 2, 2))
    for depth in (1, 2, 3):
        assert receptive_field(network, 512, depth=depth)[0] == _u_field(depth + 1, 1, [2] * (depth + 1))


def test_the_field_of_fcn_32s_is_252_pixels_in_2d_and_3d():
    # A score at stride 32 reads one voxel more to each side (classifier): 3 voxels of 32. Towards the image,
    # pooling doubles and two convolutions add 2 to each side, five times: 3 -> 10 -> 24 -> 52 -> 108 -> 220.
    # Linear interpolation reads two neighbouring scores: 32 more.
    network = FCN(1, 2, stride=32, features=(2,) * 5)
    assert receptive_field(network, 512) == (252, 252)
    assert receptive_field(FCN(1, 2, 3, stride=32, features=(2,) * 5), 512) == (252, 252, 252)


def test_a_field_larger_than_the_image_is_not_reported():
    with pytest.raises(ValueError, match="extent: expected more than the receptive field, got 32"):
        receptive_field(UNet(1, 2, features=(2, 2, 2, 2)), 32)


def test_without_norms_influence_ends_with_the_receptive_field_and_with_them_it_does_not():
    image = torch.randn(1, 1, 48, 48)
    none, instance = (UNet(1, 2, features=(4, 4, 4), norm=norm) for norm in ("none", "instance"))
    field = receptive_field(none, 128)[0]
    rows = influence(none, image).any(dim=1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == field < 48
    assert (influence(instance, image) > 0).all()
    assert influence(instance, image).max() == 1
