"""Gaussian weights: their KL, both ways to draw, and the plain network as their limit."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from medseg_lab.networks.blocks import CONV_TRANSPOSED
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
    (UNetPlusPlus, {"features": (2, 4, 4)}),
    (VNet, {"features": (2, 4), "convs": (1, 2)}),
    (FCN, {"features": (2, 3, 4, 4, 4)}),
]


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


# The KL


def test_the_kl_is_that_of_torch_distributions():
    torch.manual_seed(0)
    mean, std = torch.randn(4, 3, 3), 0.1 + torch.rand(4, 3, 3)
    for prior in (0.1, 0.7, 2.0):
        wanted = kl_divergence(Normal(mean, std), Normal(0, prior)).sum()
        torch.testing.assert_close(gaussian_kl(mean, std, prior), wanted)


def test_the_kl_is_the_mean_log_ratio_of_draws():
    mean, std, prior = torch.tensor([0.3, -1.0]), torch.tensor([0.5, 0.2]), 0.8
    posterior = Normal(mean, std)
    drawn = mean + std * torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    ratio = posterior.log_prob(drawn) - Normal(0, prior).log_prob(drawn)
    assert gaussian_kl(mean, std, prior).item() == pytest.approx(ratio.sum(1).mean().item(), abs=0.01)


def test_the_kl_of_the_prior_with_itself_is_zero():
    assert gaussian_kl(torch.zeros(5), torch.full((5,), 0.3), 0.3).item() == pytest.approx(0, abs=1e-6)


def test_a_layers_kl_is_over_its_weights_and_not_over_its_bias():
    layer = one_weight(2.0, 0.5, 100.0, local=True)
    # ln(1 / .5) + (.25 + 4) / 2 - 1/2
    assert layer.kl(1.0).item() == pytest.approx(0.693147 + 2.125 - 0.5, abs=1e-5)


# Drawing


@pytest.mark.parametrize("local", [True, False])
def test_one_weight_by_hand(local):
    # w ~ N(2, .5^2): 3 w + 1 has mean 7 and standard deviation 1.5, also with the bias
    layer, x = one_weight(2.0, 0.5, 1.0, local), torch.full((1, 1, 1, 1), 3.0)
    torch.manual_seed(0)
    found = torch.stack([layer(x).detach().squeeze() for _ in range(4000)])
    assert found.mean().item() == pytest.approx(7, abs=0.1)
    assert found.std().item() == pytest.approx(1.5, abs=0.08)


@pytest.mark.parametrize(
    "plain",
    [
        lambda: Conv2d(2, 3, 3, padding=1),
        lambda: Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
        lambda: Conv3d(2, 3, 3, padding=1),
        lambda: nn.ConvTranspose2d(2, 3, 2, stride=2),
        lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, bias=False),
        lambda: nn.ConvTranspose3d(2, 3, 2, stride=2),
    ],
)
def test_drawn_outputs_have_the_mean_and_variance_of_drawn_weights(plain):
    torch.manual_seed(0)
    layer = spread(BayesConv(plain(), 0.1))
    x = torch.randn(1, 2, *[4] * (layer.plain.weight.ndim - 2))
    with torch.no_grad():
        outputs = torch.stack([layer.train()(x) for _ in range(3000)])
        weights = torch.stack([layer.eval()(x) for _ in range(3000)])
        mean = layer.plain(x)
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
        outputs = torch.stack([layer.train()(x).flatten() for _ in range(3000)])
        weights = torch.stack([layer.eval()(x).flatten() for _ in range(50)])
    assert (outputs.T.corrcoef() - torch.eye(4)).abs().max() < 0.08
    assert torch.equal(weights, weights[:, :1].expand(50, 4))
    assert weights[:, 0].unique().numel() == 50


def test_without_local_training_draws_weights_too():
    layer, x = one_weight(0.0, 1.0, 0.0, local=False).train(), torch.ones(3, 1, 2, 2)
    assert layer(x).unique().numel() == 1


def test_the_gradient_varies_less_with_local_reparameterisation():
    """[85]: the noise of a batch averages out, where one draw of the weights is common to all of it."""
    x = torch.randn(16, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mean, variance = {}, {}
    for local in (True, False):
        layer = one_weight(0.5, 0.5, 0.0, local)
        torch.manual_seed(1)
        gradients = []
        for _ in range(300):
            layer.zero_grad()
            nn.functional.softplus(-layer(x)).mean().backward()
            gradients.append([layer.plain.weight.grad.item(), layer.rho.grad.item()])
        mean[local], variance[local] = torch.tensor(gradients).mean(0), torch.tensor(gradients).var(0)
    # 256 independent draws of an output against one of the weight
    assert (variance[True] < 0.1 * variance[False]).all()
    # and both estimate the same gradient
    assert ((mean[True] - mean[False]).abs() < 3 * (variance[False] / 300).sqrt()).all()


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


def test_a_bias_is_certain():
    layer = one_weight(1.0, 0.9, 0.25, local=True)
    for mode in (True, False):
        torch.testing.assert_close(layer.train(mode)(torch.zeros(1, 1, 2, 2)), torch.full((1, 1, 2, 2), 0.25))


# The limit, and whole networks


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("network", "arguments"), NETWORKS)
@pytest.mark.parametrize(("training", "local"), [(True, True), (True, False), (False, True)])
def test_with_sigma_to_zero_it_is_the_plain_network(network, arguments, dims, training, local):
    torch.manual_seed(0)
    plain = network(1, 2, dims, **arguments)
    image = torch.randn(2, 1, *[12] * dims)
    wanted = plain(image)
    found = bayesian(plain, 1e-12, local).train(training)(image)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("network", "arguments"), NETWORKS)
def test_every_convolution_is_wrapped_and_nothing_is_drawn(network, arguments, dims):
    torch.manual_seed(0)
    plain = network(1, 2, dims, **arguments)
    before = [(m, m.weight.clone()) for m in plain.modules() if isinstance(m, CONVOLUTIONS)]
    state = torch.get_rng_state()
    found = bayesian(plain, 0.05)
    assert torch.equal(torch.get_rng_state(), state)
    assert found is plain
    assert [layer.plain for layer in bayes_convs(found)] == [m for m, _ in before]
    for layer, (_, weight) in zip(bayes_convs(found), before, strict=True):
        assert torch.equal(layer.plain.weight, weight)
        torch.testing.assert_close(layer.std, torch.full_like(weight, 0.05))
    names = [name for name, m in found.named_modules() if isinstance(m, CONVOLUTIONS)]
    assert all(name.endswith(".plain") for name in names)


@pytest.mark.parametrize("kind", [*CONV_TRANSPOSED.values(), Conv2d, Conv3d])
def test_a_network_may_be_a_single_convolution(kind):
    found = bayesian(kind(1, 1, 1), 0.1)
    assert isinstance(found, BayesConv)


def test_what_is_in_evaluation_mode_stays_there():
    assert not any(m.training for m in bayesian(UNet(1, 2, features=(2, 4)).eval(), 0.1).modules())


@pytest.mark.parametrize("value", [1e-12, 1e-3, 0.5, 30.0])
def test_the_inverse_of_softplus(value):
    x = torch.tensor(softplus_inverse(value), dtype=torch.float64)
    assert nn.functional.softplus(x, threshold=100).item() == pytest.approx(value)


@pytest.mark.parametrize("std", [0, -0.1])
def test_a_sigma_that_is_none_is_refused(std):
    with pytest.raises(ValueError, match=f"initial_std: got {std}, wanted more than 0"):
        BayesConv(Conv2d(1, 1, 1), std)


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="network: got Identity without a convolution, wanted one or more"):
        bayesian(nn.Identity(), 0.1)


# bfloat16


def test_in_bfloat16_outputs_have_the_same_spread():
    torch.manual_seed(0)
    layer, x = spread(BayesConv(Conv2d(8, 4, 3, padding=1), 0.1)), torch.randn(1, 8, 6, 6)
    found = {}
    for low in (True, False):
        torch.manual_seed(0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            drawn = torch.stack([layer(x) for _ in range(1000)])
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
