"""Gaussian weights: their KL, both ways to draw, and the plain network as their limit."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from medseg_lab.networks.convolution import Conv2d, Conv3d
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.measure import CONVOLUTIONS
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet
from medseg_lab.uncertainty.bayes_conv import (
    BayesConv,
    bayes_convs,
    bayesian,
    gaussian_kl,
    softplus_inverse,
)

NETWORKS = [
    (UNet, {"features": (2, 4, 4)}),
    (UNet, {"features": (2, 4), "spatial_dims": 3}),
    (UNetPlusPlus, {"features": (2, 4, 4)}),
    (VNet, {"features": (2, 4), "convs": (1, 2), "spatial_dims": 3}),
    (FCN, {"features": (2, 3, 4, 4, 4)}),
]
every_network = pytest.mark.parametrize(("network", "arguments"), NETWORKS)


def spread(layer: BayesConv) -> BayesConv:
    """The layer with a sigma of its own at each weight, .1 to .9."""
    torch.manual_seed(1)
    layer.rho.data = (0.1 + 0.8 * torch.rand_like(layer.rho)).expm1().log()
    return layer


def one_weight(mean: float, std: float, bias: float, local: bool) -> BayesConv:
    plain = nn.Conv2d(1, 1, 1)
    plain.weight.data.fill_(mean)
    plain.bias.data.fill_(bias)
    return BayesConv(plain, std, local)


def test_the_kl_is_that_of_torch_distributions():
    torch.manual_seed(0)
    mean, std = torch.randn(4, 3, 3), 0.1 + torch.rand(4, 3, 3)
    for prior in (0.1, 0.7, 2.0):
        wanted = kl_divergence(Normal(mean, std), Normal(0, prior)).sum()
        torch.testing.assert_close(gaussian_kl(mean, std, prior), wanted)


def test_a_layers_kl_is_over_its_weights_and_not_over_its_bias():
    layer = one_weight(2.0, 0.5, 100.0, local=True)
    # ln(1 / .5) + (.25 + 4) / 2 - 1/2
    assert layer.kl(1.0).item() == pytest.approx(0.693147 + 2.125 - 0.5, abs=1e-5)


@pytest.mark.parametrize("local", [True, False])
def test_one_weight_by_hand(local):
    # w ~ N(2, .5^2): 3 w + 1 has mean 7 and standard deviation 1.5, also with the bias
    layer, x = one_weight(2.0, 0.5, 1.0, local), torch.full((1, 1, 1, 1), 3.0)
    torch.manual_seed(0)
    with torch.no_grad():
        found = torch.stack([layer(x).squeeze() for _ in range(1000)])
        torch.testing.assert_close(layer(torch.zeros_like(x)), torch.ones_like(x))  # a bias is certain
    assert found.mean().item() == pytest.approx(7, abs=0.15)
    assert found.std().item() == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize(
    "plain",
    [
        lambda: Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
        lambda: Conv3d(2, 3, 3, padding=1),
        lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1),
        lambda: nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False),
    ],
)
def test_drawn_outputs_have_the_mean_and_variance_of_drawn_weights(plain):
    torch.manual_seed(0)
    layer = spread(BayesConv(plain(), 0.1))
    x = torch.randn(1, 2, *[4] * (layer.plain.weight.ndim - 2))
    with torch.no_grad():
        outputs = layer.train()(x.expand(3000, *x.shape[1:]))
        weights = torch.cat([layer.eval()(x) for _ in range(1000)])
        mean = layer.plain(x)[0]
    scale = weights.std(0).mean().item()
    assert (outputs.mean(0) - mean).abs().max() < 0.12 * scale + 0.05
    assert (weights.mean(0) - mean).abs().max() < 0.12 * scale + 0.05
    ratio = outputs.var(0) / weights.var(0)
    assert ratio.min() > 0.8
    assert ratio.max() < 1.25


def test_drawn_outputs_are_independent_and_drawn_weights_are_shared():
    layer, x = one_weight(0.0, 1.0, 0.0, local=True), torch.ones(2, 1, 1, 2)
    torch.manual_seed(0)
    with torch.no_grad():
        outputs = torch.stack([layer.train()(x).flatten() for _ in range(1000)])
        weights = torch.stack([layer.eval()(x).flatten() for _ in range(50)])
    assert (outputs.T.corrcoef() - torch.eye(4)).abs().max() < 0.12
    assert torch.equal(weights, weights[:, :1].expand(50, 4))
    assert weights[:, 0].unique().numel() == 50
    layer.local = False
    assert layer.train()(x).unique().numel() == 1


def test_the_gradient_varies_less_with_local_reparameterisation():
    """[85]: the noise of a batch averages out, where one draw of the weights is common to all of it."""
    x = torch.randn(16, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mean, variance = {}, {}
    for local in (True, False):
        layer = one_weight(0.5, 0.5, 0.0, local)
        torch.manual_seed(1)
        gradients = []
        for _ in range(150):
            layer.zero_grad()
            nn.functional.softplus(-layer(x)).mean().backward()
            gradients.append([layer.plain.weight.grad.item(), layer.rho.grad.item()])
        mean[local], variance[local] = torch.tensor(gradients).mean(0), torch.tensor(gradients).var(0)
    # 256 independent draws of an output against one of the weight
    assert (variance[True] < 0.1 * variance[False]).all()
    # and both estimate the same gradient
    assert ((mean[True] - mean[False]).abs() < 3 * (variance[False] / 150).sqrt()).all()


@pytest.mark.parametrize("training", [True, False])
def test_what_is_drawn_does_not_depend_on_the_layout_in_memory(training):
    torch.manual_seed(0)
    layer = BayesConv(Conv2d(8, 8, 3, padding=1), 0.3).train(training)
    image, found = torch.randn(2, 8, 6, 5), []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(1)
        layer.to(memory_format=layout)
        found.append(layer(image.contiguous(memory_format=layout)))
    torch.testing.assert_close(*found)


def test_an_empty_map_has_a_gradient():
    layer = BayesConv(Conv2d(2, 3, 3, padding=1), 0.1)
    layer(torch.zeros(1, 2, 4, 4)).sum().backward()
    assert layer.rho.grad.isfinite().all()
    assert layer.plain.weight.grad.isfinite().all()


@every_network
def test_with_sigma_to_zero_it_is_the_plain_network(network, arguments):
    torch.manual_seed(0)
    plain = network(1, 2, **arguments)
    image = torch.randn(2, 1, *[12] * arguments.get("spatial_dims", 2))
    wanted = plain(image)
    found = bayesian(plain, 1e-12)
    for training, local in ((True, True), (True, False), (False, True)):
        for layer in bayes_convs(found.train(training)):
            layer.local = local
        torch.testing.assert_close(found(image), wanted, atol=1e-4, rtol=1e-4)


@every_network
def test_every_convolution_is_wrapped_and_nothing_is_drawn(network, arguments):
    plain = network(1, 2, **arguments).eval()
    before = [(m, m.weight.clone()) for m in plain.modules() if isinstance(m, CONVOLUTIONS)]
    state = torch.get_rng_state()
    found = bayesian(plain, 0.05)
    assert torch.equal(torch.get_rng_state(), state)
    assert found is plain
    assert not any(module.training for module in found.modules())
    assert [layer.plain for layer in bayes_convs(found)] == [m for m, _ in before]
    for layer, (_, weight) in zip(bayes_convs(found), before, strict=True):
        assert torch.equal(layer.plain.weight, weight)
        torch.testing.assert_close(layer.std, torch.full_like(weight, 0.05))
    names = [name for name, m in found.named_modules() if isinstance(m, CONVOLUTIONS)]
    assert all(name.endswith(".plain") for name in names)


def test_a_network_may_be_a_single_convolution_and_must_have_one():
    assert isinstance(bayesian(Conv2d(1, 1, 1), 0.1), BayesConv)
    with pytest.raises(ValueError, match="expected one or more convolutions, got Identity without any"):
        bayesian(nn.Identity(), 0.1)
    with pytest.raises(ValueError, match=r"initial_std: expected more than 0, got -0\.1"):
        BayesConv(Conv2d(1, 1, 1), -0.1)


@pytest.mark.parametrize("value", [1e-12, 1e-3, 0.5, 30.0])
def test_the_inverse_of_softplus(value):
    x = torch.tensor(softplus_inverse(value), dtype=torch.float64)
    assert nn.functional.softplus(x, threshold=100).item() == pytest.approx(value)


def test_in_bfloat16_outputs_have_the_same_spread():
    torch.manual_seed(0)
    layer, x = spread(BayesConv(Conv2d(8, 4, 3, padding=1), 0.1)), torch.randn(1, 8, 6, 6)
    found = {}
    for low in (True, False):
        torch.manual_seed(0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            drawn = layer(x.expand(1000, 8, 6, 6))
        assert drawn.dtype is (torch.bfloat16 if low else torch.float32)
        found[low] = drawn.float().std(0)
    assert ((found[True] / found[False]) - 1).abs().max() < 0.15
    assert (found[True] / found[False]).mean().item() == pytest.approx(1, abs=0.01)


def test_the_guard_of_small_maps_holds_for_both_convolutions():
    layer = BayesConv(Conv3d(2, 2, 3, padding=1), 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        thin = torch.randn(1, 2, 2, 4, 4)
        assert layer(thin).dtype is torch.float32
        assert layer.eval()(thin).dtype is torch.float32
        layer.train()(thin).sum().backward()
    assert layer.rho.grad.isfinite().all()
