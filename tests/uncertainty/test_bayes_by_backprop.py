"""Bayes by backprop: the two terms of eq. (15), what each does to sigma, and a draw of the weights."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from toys import SMALL, VOXELWISE, noise_batch, sampled, task

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.bayes_by_backprop import BayesByBackprop
from medseg_lab.uncertainty.bayes_conv import bayes_convs


def built(network=SMALL, **arguments) -> BayesByBackprop:
    torch.manual_seed(0)
    learner = BayesByBackprop(task(2, 3), network=network, **arguments)
    learner.prepare(10, (), [(20, 30), (10, 10)])
    return learner


def layers(learner):
    return bayes_convs(learner.network)


def test_the_kl_is_divided_by_the_voxels_of_all_training_cases():
    learner = built(weight=3.0, prior_std=0.2, initial_std=0.05)
    nats = sum(
        kl_divergence(Normal(layer.plain.weight, 0.05), Normal(0, 0.2)).sum() for layer in layers(learner)
    )
    one, five = (learner.losses(noise_batch(n=n, seed=n), 0) for n in (1, 5))
    assert set(one) == {"cross_entropy", "kl"}
    assert one["kl"].item() == pytest.approx(3 * nats.item() / 700, rel=1e-5)
    assert torch.equal(one["kl"], five["kl"])


@pytest.mark.parametrize("local", [True, False])
def test_with_sigma_to_zero_and_no_prior_its_gradient_is_that_of_supervision(local):
    network, data = recipe(UNet, features=(2, 4)), noise_batch()
    torch.manual_seed(0)
    twin = Supervised(task(2, 3), network=network, loss=recipe(CrossEntropy))
    learner = built(network, local=local, initial_std=1e-12, weight=0.0)
    assert all(layer.local == local for layer in layers(learner))
    sum(learner.losses(data, 0).values()).backward()
    twin.losses(data, 0)["cross_entropy"].backward()
    mine = {name.replace(".plain", ""): p for name, p in learner.network.named_parameters()}
    for name, parameter in twin.network.named_parameters():
        torch.testing.assert_close(mine[name], parameter)
        torch.testing.assert_close(mine[name].grad, parameter.grad, atol=1e-5, rtol=1e-4)


def test_the_kl_alone_makes_the_posterior_the_prior():
    learner = built(VOXELWISE, prior_std=0.3, initial_std=0.02)
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        learner.kl().backward()
        optimiser.step()
    (layer,) = layers(learner)
    torch.testing.assert_close(layer.std, torch.full_like(layer.std, 0.3), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer.plain.weight, torch.zeros_like(layer.std), atol=1e-3, rtol=0)
    assert learner.kl().item() == pytest.approx(0, abs=1e-4)


def test_the_data_pulls_sigma_down_and_the_more_of_it_the_further():
    """With n voxels the posterior is narrower than the prior; with 100 n it is narrower still."""
    sigma = []
    for voxels in (30, 3000):
        learner = built(VOXELWISE, prior_std=1.0, initial_std=0.5)
        learner.voxels = voxels
        optimiser = torch.optim.Adam(learner.parameters(), lr=0.03)
        for step in range(300):
            optimiser.zero_grad()
            sum(learner.losses(noise_batch((8, 8), seed=step), step).values()).backward()
            optimiser.step()
        sigma.append(layers(learner)[0].std.mean().item())
    assert sigma[0] < 0.9
    assert sigma[1] < 0.5 * sigma[0]


def test_no_weight_decay_stands_beside_the_prior():
    assert built().weight_decay == 0


def test_without_labelled_voxels_there_is_no_loss():
    learner = BayesByBackprop(task(2, 3), network=SMALL)
    learner.prepare(10, ())
    with pytest.raises(ValueError, match="expected `prepare` to be told the labelled cases, got none"):
        learner.losses(noise_batch(), 0)


def test_a_sample_is_a_draw_of_all_weights_by_hand():
    learner, image = built(VOXELWISE, initial_std=0.5).eval(), noise_batch().image
    (layer,) = layers(learner)
    samples = sampled(learner, image, 2, seed=7)
    torch.manual_seed(7)
    for found in samples:
        weight = layer.plain.weight.detach() + 0.5 * torch.randn(3, 1, 1, 1)
        wanted = image * weight.view(1, 3, 1, 1) + layer.plain.bias.detach().view(1, 3, 1, 1)
        torch.testing.assert_close(found, wanted.softmax(dim=1))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prior_std": 0.0}, "prior_std: expected greater than 0, got 0.0"),
        ({"initial_std": -1.0}, "initial_std: expected greater than 0, got -1.0"),
        ({"weight": -0.5}, "weight: expected greater than or equal to 0, got -0.5"),
    ],
)
def test_what_makes_no_posterior_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        built(**arguments)
