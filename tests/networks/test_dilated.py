"""Dilation in the encoder: as many weights, a larger field, no holes."""

import pytest
import torch

from medseg_lab.networks.blocks import Stage
from medseg_lab.networks.dilated import Dilated
from medseg_lab.networks.measure import flops, parameters, receptive_field
from medseg_lab.networks.unet import UNet


def field_by_hand(levels: int, encoder: int, position: int = 256) -> int:
    """The voxels that a U-Net reads along an axis, from the output back to the image.

    A decoder stage reads 2 voxels to either side, an encoder stage as many as its two rates together.
    """
    low, high = position, position
    for _ in range(levels - 1):  # down the decoder: a stage, then the transposed convolution
        low, high = (low - 2) // 2, (high + 2) // 2
    low, high = low - encoder, high + encoder
    for _ in range(levels - 1):  # up the encoder: pooling reads both halves, then the stage
        low, high = 2 * low - encoder, 2 * high + 1 + encoder
    return high - low + 1


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("rates", [(1, 2), (1, 3)])
def test_dilation_enlarges_the_field_and_adds_no_parameters(rates, dims):
    plain = UNet(1, 3, dims, features=(2, 2, 2))
    dilated = UNet(1, 3, dims, features=(2, 2, 2), block=Dilated(rates))
    assert [w.shape for w in dilated.parameters()] == [w.shape for w in plain.parameters()]
    assert parameters(dilated) == parameters(plain)
    shape = (1, 1, *[16] * dims)
    assert flops(dilated, shape) == flops(plain, shape)
    assert receptive_field(plain, 256) == (field_by_hand(3, 2),) * dims
    assert receptive_field(dilated, 256) == (field_by_hand(3, sum(rates)),) * dims
    assert field_by_hand(3, 3) == field_by_hand(3, 2) + 2 * (
        1 + 2 + 4
    )  # a voxel more to each side, per level


@pytest.mark.parametrize(
    ("rates", "read"),
    [
        ((1, 1), "001111100"),
        ((1, 2), "011111110"),
        ((1, 3), "111111111"),
        ((2, 2), "101010101"),
    ],
)
def test_a_stage_reads_without_holes_unless_its_rates_share_a_factor(rates, read):
    stage = Dilated(rates)(Stage(2, 1, 1, "none", "encoder", 0, 4))
    for weight in stage.parameters():
        torch.nn.init.ones_(weight)
    image = torch.ones(1, 1, 11, 11, requires_grad=True)
    (gradient,) = torch.autograd.grad(stage(image)[0, 0, 5, 5], image)
    row = (gradient[0, 0, 5, 1:10] != 0).int().tolist()
    assert row == [int(digit) for digit in read]


def test_with_the_rates_1_and_3_every_voxel_is_read_once():
    stage = Dilated((1, 3))(Stage(2, 1, 1, "none", "encoder", 0, 4))
    for weight in stage.parameters():
        torch.nn.init.ones_(weight)
    image = torch.ones(1, 1, 11, 11, requires_grad=True)
    (gradient,) = torch.autograd.grad(stage(image)[0, 0, 5, 5], image)
    assert torch.equal(gradient[0, 0, 1:10, 1:10], torch.ones(9, 9))


def test_the_decoder_is_not_dilated():
    network = UNet(1, 2, features=(2, 4), block=Dilated())
    rates = {name: m.dilation for name, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert {name for name, rate in rates.items() if rate != (1, 1)} == {"encoder.0.1.0", "encoder.1.1.0"}


@pytest.mark.parametrize("rates", [(1,), (0, 2)])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(ValueError, match="rates: expected two positive numbers"):
        Dilated(rates)
