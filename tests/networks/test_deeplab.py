"""DeepLab: its stride, where the branches of its pyramid read, its receptive field, and what v3+ adds."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.deeplab import DeepLab, Pyramid
from medseg_lab.networks.measure import flops, parameters, receptive_field
from medseg_lab.networks.structure import trace

SLIM = {"features": (4, 4, 4, 4, 4), "pyramid": 4}
NEAR = torch.arange(16) == 7


@pytest.mark.parametrize("rate", [1, 6, 12])
def test_a_branch_reads_at_its_rate(rate):
    """What changes a pixel's result are nine pixels, `rate` apart."""
    branch = Pyramid(2, 1, 1, [rate], "none").far[0][0]
    image = torch.zeros(1, 1, 41, 41, requires_grad=True)
    (gradient,) = torch.autograd.grad(branch(image)[0, 0, 20, 20], image)
    read = {tuple(place) for place in (gradient[0, 0].nonzero() - 20).tolist()}
    assert read == {(i * rate, j * rate) for i in (-1, 0, 1) for j in (-1, 0, 1)}


def test_on_a_small_map_a_large_rate_reads_its_centre_alone():
    """The paper's remark: on a map of 4 pixels a kernel of rate 6 is a kernel of one pixel."""
    branch = Pyramid(2, 3, 2, [6], "none").far[0][0]
    image = torch.randn(1, 3, 4, 4)
    centre = nn.functional.conv2d(image, branch.weight[:, :, 1:2, 1:2], branch.bias)
    torch.testing.assert_close(branch(image), centre)


def test_the_image_mean_reaches_every_pixel():
    pyramid = Pyramid(2, 2, 3, [1], "none")
    mean = pyramid.whole(torch.arange(8.0).reshape(1, 2, 2, 2).mean((2, 3), keepdim=True))
    found = pyramid.whole[0].weight[:, :, 0, 0] @ torch.tensor([1.5, 5.5]) + pyramid.whole[0].bias
    torch.testing.assert_close(mean.flatten(), nn.functional.leaky_relu(found, 0.01))
    image = torch.randn(1, 2, 9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(pyramid(image)[0, :, 4, 4].sum(), image)
    assert (gradient != 0).all()


def test_it_stops_at_stride_16():
    found = trace(DeepLab(1, 2, **SLIM), (1, 1, 64, 96))
    assert [found.stages[f"encoder {i}"].shape for i in range(5)] == [
        (32, 48),
        (16, 24),
        (8, 12),
        (4, 6),
        (4, 6),
    ]


def test_the_receptive_field_by_hand():
    """Of the encoder and a dilated branch, in image pixels: each kernel adds 2 x rate x its stride."""
    network = DeepLab(1, 2, rates=[6], **SLIM)
    reach = 1
    for before, after, rate in ((1, 2, 1), (2, 4, 1), (4, 8, 1), (8, 16, 1), (16, 16, 2)):
        reach += 2 * rate * before + 2 * rate * after
    encoder, enlarge = nn.Sequential(*network.encoder), nn.Upsample(scale_factor=16)
    assert receptive_field(nn.Sequential(encoder, enlarge)) == (reach, reach)
    branch = network.pyramid.far[0]
    assert receptive_field(nn.Sequential(encoder, branch, enlarge), extent=1024) == (reach + 12 * 16,) * 2


def test_v3_plus_reads_stride_4_and_v3_does_not():
    plain, plus = (trace(DeepLab(1, 2, low_level=width, **SLIM), (1, 1, 64, 64)) for width in (0, 48))
    assert "low level" not in plain.stages
    assert plus.stages["low level"].channels == 48
    assert plus.stages["low level"].shape == (16, 16)
    assert ("encoder 1", "low level") in {(e.source, e.target) for e in plus.edges}


def test_low_level_features_move_the_scores_within_a_block_of_stride_16():
    """A column of low-level features is replaced by its neighbour: scores near it move, and none far away."""
    network, image = DeepLab(1, 2, low_level=4, norm="none", **SLIM).eval(), torch.randn(1, 1, 64, 64)
    before = network(image)
    network.low_level.register_forward_hook(lambda _, __, found: found.roll(1, 3).where(NEAR, found))
    moved = (network(image) - before).abs().amax(1)[0] > 0
    assert moved[:, 24:32].any()
    assert not moved[:, :8].any()
    assert not moved[:, 48:].any()


def test_the_two_configurations_cost_the_same():
    shape = (1, 1, 128, 128)
    plus, plain = DeepLab(1, 4, low_level=48), DeepLab(1, 4, features=(40, 80, 160, 160, 160))
    assert flops(plain, shape) == pytest.approx(flops(plus, shape), rel=0.05)
    assert parameters(plain) > parameters(plus)


def test_impossible_rates_and_widths_are_refused():
    with pytest.raises(ValueError, match=r"rates: expected at least one, each 1 or more, got \(0, 2\)"):
        DeepLab(1, 2, rates=(0, 2))
    with pytest.raises(ValueError, match="features: expected five widths"):
        DeepLab(1, 2, features=(4,) * 6)
