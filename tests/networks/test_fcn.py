"""FCN: linear up-sampling, and what each skip adds."""

import pytest
import torch
from torch.nn import functional as F

from medseg_lab.networks.fcn import FCN, bilinear_kernel, bilinear_up
from medseg_lab.networks.measure import parameters
from medseg_lab.networks.unet import UNet

SMALL = (4, 4, 6, 6, 6)


def test_the_bilinear_kernel_by_hand():
    row = torch.tensor([0.25, 0.75, 0.75, 0.25])
    torch.testing.assert_close(bilinear_kernel(2, 2), row[:, None] * row)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_doubling_starts_as_linear_interpolation(spatial_dims):
    scores = torch.randn(2, 3, *[6] * spatial_dims)
    doubled = bilinear_up(spatial_dims, 3)(scores)
    mode = {2: "bilinear", 3: "trilinear"}[spatial_dims]
    expected = F.interpolate(scores, scale_factor=2, mode=mode)
    inside = (..., *[slice(1, -1)] * spatial_dims)  # at the rim the one fades to 0, the other repeats
    assert doubled.shape == expected.shape
    torch.testing.assert_close(doubled[inside], expected[inside])


def _coarse_scores(network, image):
    """The features after each pooling, and the scores at stride 32, step by step."""
    x, pooled = image, {}
    for i, stage in enumerate(network.encoder, start=1):
        x = pooled[2**i] = F.max_pool2d(stage(x), 2)
    return pooled, network.score["32"](network.classifier(x))


def test_fcn_32s_is_its_coarsest_scores_enlarged():
    network, image = FCN(1, 3, stride=32, features=SMALL), torch.randn(1, 1, 96, 128)
    _, scores = _coarse_scores(network, image)
    torch.testing.assert_close(network(image), F.interpolate(scores, scale_factor=32, mode="bilinear"))
    assert list(network.score) == ["32"]


@pytest.mark.parametrize("stride", [8, 16])
def test_skips_start_at_nothing(stride):
    # The paper sets the added scores to 0, so training starts from the coarser network.
    network, image = FCN(1, 3, stride=stride, features=SMALL), torch.randn(1, 1, 96, 128)
    _, scores = _coarse_scores(network, image)
    for s in (16, 8):
        if s >= stride:
            scores = network.up[str(s)](scores)
    torch.testing.assert_close(network(image), F.interpolate(scores, scale_factor=stride, mode="bilinear"))


def test_fcn_8s_adds_the_scores_of_the_fourth_then_of_the_third_pooling():
    network, image = FCN(1, 3, stride=8, features=SMALL), torch.randn(1, 1, 96, 128)
    for s in ("8", "16"):
        torch.nn.init.normal_(network.score[s].weight)
    pooled, scores = _coarse_scores(network, image)
    scores = network.up["16"](scores) + network.score["16"](pooled[16])
    scores = network.up["8"](scores) + network.score["8"](pooled[8])
    torch.testing.assert_close(network(image), F.interpolate(scores, scale_factor=8, mode="bilinear"))


def test_with_its_last_skip_at_zero_8s_equals_16s_where_scores_are_level():
    # Doubling and enlarging 8 times is not bit for bit enlarging 16 times, except where nothing changes:
    # of a constant both give the constant, away from the rim.
    fine, coarse = FCN(1, 2, stride=8, features=SMALL), FCN(1, 2, stride=16, features=SMALL)
    fine.load_state_dict(coarse.state_dict(), strict=False)
    for network in (fine, coarse):
        for s in ("16", "32"):
            torch.nn.init.zeros_(network.score[s].weight)
            torch.nn.init.ones_(network.score[s].bias)
    image = torch.randn(1, 1, 128, 128)
    inside = (..., slice(48, -48), slice(48, -48))
    torch.testing.assert_close(fine(image)[inside], coarse(image)[inside])
    torch.testing.assert_close(fine(image)[inside], torch.full((1, 2, 32, 32), 2.0))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_has_about_as_many_parameters_as_the_u_net(spatial_dims):
    ratio = parameters(FCN(1, 3, spatial_dims)) / parameters(UNet(1, 3, spatial_dims))
    assert 0.9 < ratio < 1.1


def test_parameters_by_hand():
    # 2D, one channel in, 2 classes, widths 2: convolutions without bias, norms of two numbers a channel.
    encoder = (9 * 2 + 4 + 36 + 4) + 4 * (36 + 4 + 36 + 4)
    classifier = 36 + 2  # no norm, so a bias
    score, up = 2 * 2 + 2, 16 * 2 * 2
    assert parameters(FCN(1, 2, stride=32, features=(2,) * 5)) == encoder + classifier + score
    assert parameters(FCN(1, 2, stride=8, features=(2,) * 5)) == encoder + classifier + 3 * score + 2 * up


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_the_gradient_reaches_every_parameter_in_3d(stride):
    network = FCN(3, 2, 3, stride=stride, features=SMALL)
    y = network(torch.randn(1, 3, 40, 33, 40))
    (y * torch.randn_like(y)).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stride": 4}, "stride: expected 8, 16 or 32, got 4"),
        ({"features": (4,) * 3}, r"features: expected at least 5 positive widths, got \(4, 4, 4\)"),
        ({"features": (4,) * 6}, "features: expected five widths"),
    ],
)
def test_impossible_arguments_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        FCN(1, 2, **wrong)
