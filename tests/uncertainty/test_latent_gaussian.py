"""Gaussians over latent codes: divergence, draws, and where they come from."""

import math

import pytest
import torch
from latent_toys import divergence

from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, ToGaussian, latent_kl, warmed_up


def gaussian(seed: int, *shape: int) -> LatentGaussian:
    generator = torch.Generator().manual_seed(seed)
    return LatentGaussian(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))


def one(mean: float, std: float) -> LatentGaussian:
    return LatentGaussian(torch.tensor([[mean]]), torch.tensor([[math.log(std)]]))


@pytest.mark.parametrize("shape", [(3, 6), (2, 1, 3, 4, 2)])
def test_divergence_is_that_of_torch_distributions(shape):
    q, p = gaussian(0, *shape), gaussian(1, *shape)
    torch.testing.assert_close(latent_kl(q, p), divergence(q, p), rtol=1e-4, atol=1e-4)
    assert latent_kl(q, p).shape == shape[:1]


def test_a_shift_by_one_standard_deviation_costs_half_a_nat():
    assert latent_kl(one(3.0, 2.0), one(1.0, 2.0)).item() == pytest.approx(0.5)


def test_divergence_is_not_symmetric():
    # q = N(0, 1), p = N(0, 4): log 2 + 1/8 - 1/2; the other way round: -log 2 + 2 - 1/2
    assert latent_kl(one(0, 1), one(0, 2)).item() == pytest.approx(math.log(2) - 3 / 8, rel=1e-4)
    assert latent_kl(one(0, 2), one(0, 1)).item() == pytest.approx(3 / 2 - math.log(2), rel=1e-4)


def test_a_draw_is_the_mean_and_so_many_deviations():
    q = LatentGaussian(torch.tensor([[1.0, -2.0]]), torch.tensor([[math.log(3), 0.0]]))
    torch.testing.assert_close(q.draw(torch.tensor([[2.0, -1.0]])), torch.tensor([[7.0, -3.0]]))


def test_the_gradient_flows_through_a_draw():
    # z = m + e^r noise: dz/dm = 1, dz/dr = e^r noise
    mean, log_std = (torch.tensor([[x]], requires_grad=True) for x in (0.5, math.log(2)))
    LatentGaussian(mean, log_std).draw(torch.tensor([[-1.5]])).backward()
    assert mean.grad.item() == 1
    assert log_std.grad.item() == pytest.approx(-3.0)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("std", [0.2, 1.0, 30.0])
def test_before_training_all_gaussians_are_nearly_the_same(dims, std):
    torch.manual_seed(0)
    found = ToGaussian(dims, 4, 3, initial_std=std)(torch.randn(2, 4, *[5] * dims))
    assert found.mean.shape == found.log_std.shape == (2, 3, *[5] * dims)
    assert 0 < found.mean.abs().max() < 0.3
    torch.testing.assert_close(found.log_std, torch.full_like(found.log_std, math.log(std)), rtol=0, atol=0.3)


def test_a_step_that_is_too_long_makes_no_tiny_deviation():
    layer, none = ToGaussian(2, 1, 1, initial_std=3.0), torch.zeros(1, 1, 1, 1)
    for read, std in ((100.0, 3 * math.e**2), (-100.0, 3 / math.e**2)):
        torch.nn.init.constant_(layer.conv.bias, read)
        assert layer(none).log_std.exp().item() == pytest.approx(std, rel=1e-3)


def test_the_weight_of_the_divergence_grows_over_a_share_of_the_training():
    assert [warmed_up(step, 8, 0.5) for step in range(8)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert [warmed_up(step, 8, 0.0) for step in range(3)] == [1, 1, 1]
    assert warmed_up(0, 0, 0.5) == 1  # outside of a training


def test_means_and_deviations_are_told_apart():
    layer = ToGaussian(2, 1, 2)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1))
        layer.conv.bias.zero_()
    found = layer(torch.ones(1, 1, 1, 1))
    assert found.mean.flatten().tolist() == [1, 2]
    wanted = 2 * torch.tensor([1.5, 2.0]).tanh()  # of 3 and 4, held between -2 and 2
    torch.testing.assert_close(found.log_std.flatten(), wanted)


def test_gaussians_are_in_float32_under_autocast():
    layer, x = ToGaussian(2, 4, 3), torch.randn(2, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        inside = layer(x.bfloat16())
    assert inside.mean.dtype == inside.log_std.dtype == torch.float32
    torch.testing.assert_close(inside.mean, layer(x.bfloat16().float()).mean, rtol=0, atol=0)
