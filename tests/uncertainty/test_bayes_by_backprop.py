"""Bayes by backprop: the two terms of eq. (15), what each does to sigma, and draws of the weights."""

from functools import partial

import pytest
import torch
from bayes_toys import NETWORK, TASK, Pixelwise, batch, seeded, tiny_cohort
from torch.distributions import Normal, kl_divergence

from medseg_lab.training.budget import Budget
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.bayes_by_backprop import BayesByBackprop
from medseg_lab.uncertainty.bayes_conv import bayes_convs

PIXELWISE = recipe(Pixelwise)


def built(network=NETWORK, **arguments) -> BayesByBackprop:
    torch.manual_seed(0)
    learner = BayesByBackprop(TASK, network, **arguments)
    learner.prepare(10, (), [(20, 30), (10, 10)])
    return learner


def layers(learner):
    return bayes_convs(learner.network)


# The loss


def test_the_kl_is_divided_by_the_voxels_of_all_training_cases():
    learner = built(weight=3.0, prior_std=0.2, initial_std=0.05)
    nats = sum(
        kl_divergence(Normal(layer.plain.weight, 0.05), Normal(0, 0.2)).sum() for layer in layers(learner)
    )
    found = learner.losses(batch(), 0)
    assert learner.steps == 10
    assert set(found) == {"cross_entropy", "kl"}
    assert found["kl"].item() == pytest.approx(3 * nats.item() / 700, rel=1e-5)


def test_it_does_not_depend_on_the_batch():
    learner = built()
    assert torch.equal(learner.losses(batch(1), 0)["kl"], learner.losses(batch(5, seed=3), 1)["kl"])


def test_the_data_term_is_the_cross_entropy_under_a_draw():
    learner, data = built(PIXELWISE, initial_std=1.0), batch()
    for local in (True, False):
        for layer in layers(learner):
            layer.local = local
        torch.manual_seed(3)
        found = learner.losses(data, 0)["cross_entropy"]
        torch.manual_seed(3)
        wanted = torch.nn.functional.cross_entropy(learner.network(data.image), data.label)
        torch.testing.assert_close(found, wanted)
        torch.manual_seed(4)
        assert not torch.equal(found, learner.losses(data, 0)["cross_entropy"])


@pytest.mark.parametrize("local", [True, False])
def test_with_sigma_to_zero_and_no_prior_its_gradient_is_that_of_supervision(local):
    torch.manual_seed(0)
    twin, data = Supervised(TASK, NETWORK, loss="cross_entropy"), batch()
    learner = built(local=local, initial_std=1e-12, weight=0.0)
    sum(learner.losses(data, 0).values()).backward()
    twin.losses(data, 0)["cross_entropy"].backward()
    mine = {name.replace(".plain", ""): p for name, p in learner.network.named_parameters()}
    for name, parameter in twin.network.named_parameters():
        torch.testing.assert_close(mine[name], parameter)
        torch.testing.assert_close(mine[name].grad, parameter.grad, atol=1e-5, rtol=1e-4)


def test_the_kl_alone_makes_the_posterior_the_prior():
    learner = built(PIXELWISE, prior_std=0.3, initial_std=0.02)
    optimiser = torch.optim.Adam(learner.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        learner.kl().backward()
        optimiser.step()
    (layer,) = layers(learner)
    torch.testing.assert_close(layer.std, torch.full_like(layer.std, 0.3), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer.plain.weight, torch.zeros_like(layer.std), atol=1e-3, rtol=0)
    assert learner.kl().item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("local", [True, False])
def test_the_data_pulls_sigma_down_and_the_more_of_it_the_further(local):
    """With n voxels the posterior is narrower than the prior; with 100 n it is narrower still."""
    sigma = []
    for voxels in (30, 3000):
        learner = built(PIXELWISE, local=local, prior_std=1.0, initial_std=0.5)
        learner.voxels = voxels
        optimiser = torch.optim.Adam(learner.parameters(), lr=0.03)
        for step in range(300):
            optimiser.zero_grad()
            sum(learner.losses(batch(seed=step), step).values()).backward()
            optimiser.step()
        sigma.append(layers(learner)[0].std.mean().item())
    assert sigma[0] < 0.9
    assert sigma[1] < 0.5 * sigma[0]


def test_all_parameters_get_a_gradient():
    learner = built()
    sum(learner.losses(batch(), 0).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.parameters())


def test_no_weight_decay_stands_beside_the_prior():
    assert built().weight_decay == 0


def test_without_labelled_voxels_there_is_no_loss():
    learner = BayesByBackprop(TASK, NETWORK)
    learner.prepare(10, ())
    with pytest.raises(ValueError, match="voxels: got 0, wanted those of the labelled cases"):
        learner.losses(batch(), 0)


# Samples


def test_a_sample_is_a_draw_of_all_weights():
    learner, image = built(initial_std=0.3).eval(), batch().image
    found = seeded(learner, image, 3)
    assert found.shape == (3, 2, 3, 8, 8)
    torch.testing.assert_close(found.sum(2), torch.ones(3, 2, 8, 8))
    torch.manual_seed(7)
    for sample in found:
        # the plain network with weights drawn by hand, in the order of the forward pass
        with torch.no_grad():
            torch.testing.assert_close(sample, learner.network(image).softmax(dim=1))
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert torch.equal(found, seeded(learner, image, 3))
    assert not torch.equal(found, seeded(learner, image, 3, seed=8))


def test_a_draw_by_hand():
    learner, image = built(PIXELWISE, initial_std=0.5).eval(), batch().image
    (layer,) = layers(learner)
    torch.manual_seed(7)
    weight = layer.plain.weight.detach() + 0.5 * torch.randn(3, 1, 1, 1)
    wanted = (image * weight.view(1, 3, 1, 1) + layer.plain.bias.detach().view(1, 3, 1, 1)).softmax(dim=1)
    torch.testing.assert_close(seeded(learner, image, 1)[0], wanted)


@pytest.mark.parametrize("local", [True, False])
def test_patches_share_a_draw_and_more_of_them_change_nothing(local):
    learner, image = built(local=local, initial_std=0.3).eval(), batch(4).image
    together = seeded(learner, image, 3)
    torch.testing.assert_close(together[:, 1:2], seeded(learner, image[1:2], 3))
    twins = seeded(learner, image[:1].expand(2, -1, -1, -1), 3)
    torch.testing.assert_close(twins[:, 0], twins[:, 1])


def test_the_prediction_is_the_mean_of_eight_draws():
    learner, image = built(initial_std=0.3).eval(), batch().image
    wanted = seeded(learner, image, 8).mean(0)
    torch.manual_seed(7)
    with torch.no_grad():
        torch.testing.assert_close(learner.predict(image), wanted)


def test_local_is_told_to_every_layer():
    assert all(layer.local for layer in layers(built()))
    assert not any(layer.local for layer in layers(built(local=False)))


@pytest.mark.parametrize("local", [True, False])
def test_it_is_trained_stored_and_read_again(local, tmp_path):
    target = recipe(BayesByBackprop, network=NETWORK, local=local, initial_std=0.3)
    cohort, budget = tiny_cohort(), Budget(steps=3, voxels=128, patch=8)
    run = fit(target, cohort, budget, 0, store=RunStore(tmp_path), progress=False)
    assert (run.curves["kl"] > 0).all()
    first, second = run.learner(), run.learner()
    moved = [layer.std.std() > 0 for layer in layers(first)]
    assert all(moved)
    image = cohort.validation[0].image[None]
    assert torch.equal(seeded(first, image, 2), seeded(second, image, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prior_std": 0}, "prior_std: got 0, wanted more than 0"),
        ({"initial_std": -1.0}, "initial_std: got -1.0, wanted more than 0"),
        ({"weight": -0.5}, "weight: got -0.5, wanted 0 or more"),
        ({"reading": "loudest"}, "reading: got 'loudest', wanted one of"),
    ],
)
def test_what_makes_no_posterior_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        partial(BayesByBackprop, TASK, NETWORK, **arguments)()
