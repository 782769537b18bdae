"""Noise on logits: the likelihood by integration, its limit by the plain cross-entropy, draws by hand."""

from math import exp, inf, log, sqrt

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor
from toys import SMALL, Constant, noise_batch, sampled, task

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.noise import (
    SIGMAS,
    HeteroscedasticNoise,
    HomoscedasticNoise,
    LogitNoise,
    noisy_cross_entropy,
)

both = pytest.mark.parametrize("method", [HeteroscedasticNoise, HomoscedasticNoise])


def constant(method: type[LogitNoise], *values: float, **arguments: float) -> LogitNoise:
    """A learner whose network gives these maps."""
    learner = method(task(2), network=recipe(Constant), **arguments)
    learner.network.values.data = torch.tensor(values)
    return learner


def silent(method: type[LogitNoise], sigma: float) -> LogitNoise:
    """A learner whose network gives zeros."""
    return constant(method, *[0.0] * (4 if method is HeteroscedasticNoise else 2), sigma=sigma)


def probability(mean: float, *sigmas: float) -> float:
    """E sigmoid(mean + sigma z), z ~ N(0, 1), by integration; sigma^2 is the sum of the logits' variances."""
    sigma = sqrt(sum(s**2 for s in sigmas))
    return quad(lambda z: norm.pdf(z) / (1 + exp(-mean - sigma * z)), -8, 8)[0]


def maps(*values: float) -> Tensor:
    """Maps of one pixel, `(1, K, 1, 1)`."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)


def pixel(label: int) -> Tensor:
    return torch.full((1, 1, 1), label)


@pytest.mark.parametrize(("means", "sigmas"), [((0.3, 1.5), (0.5, 1.0)), ((2.0, 0.0), (3.0, 0.1))])
@pytest.mark.parametrize("label", [0, 1])
def test_the_likelihood_is_the_integral_over_the_noise(means, sigmas, label):
    torch.manual_seed(0)
    mean, sigma = (maps(*values).expand(1, 2, 40, 50) for values in (means, sigmas))
    p = probability(means[1] - means[0], *sigmas)
    found = noisy_cross_entropy(mean, sigma, torch.full((1, 40, 50), label), 300)
    assert exp(-found.item()) == pytest.approx(p if label else 1 - p, abs=0.005)


def test_without_noise_it_is_the_cross_entropy():
    mean, total = maps(0.5, -1.0, 2.0), exp(0.5) + exp(-1.0) + exp(2.0)
    for label, logit in enumerate((0.5, -1.0, 2.0)):
        found = noisy_cross_entropy(mean, maps(0, 0, 0), pixel(label), 10)
        assert found.item() == pytest.approx(log(total) - logit)
    torch.manual_seed(0)
    mean, label = torch.randn(2, 3, 5, 6, 4), torch.randint(3, (2, 5, 6, 4))
    label[0, :2] = IGNORE
    # one draw: bit for bit
    assert noisy_cross_entropy(mean, torch.zeros_like(mean), label, 1) == CrossEntropy()(mean, label)


def test_the_probabilities_are_averaged_not_their_logarithms(monkeypatch):
    # draws of +1 and -1 on logits (0, 0), of the foreground alone: p = s(2), s(-2), whose mean is 1/2
    noises = iter([maps(0.0, 1.0), maps(0.0, -1.0)])
    monkeypatch.setattr(torch, "randn_like", lambda _: next(noises))
    loss = noisy_cross_entropy(maps(0, 0), maps(1, 2), pixel(1), 2).item()
    assert loss == pytest.approx(log(2))
    mean_of_losses = -(log(1 / (1 + exp(-2))) + log(1 / (1 + exp(2)))) / 2
    assert loss < mean_of_losses - 0.4


def test_the_gradient_is_that_of_the_draws_that_made_the_loss():
    torch.manual_seed(0)
    label = torch.randint(3, (2, 4, 5))
    mean, sigma = torch.randn(2, 3, 4, 5, requires_grad=True), torch.rand(2, 3, 4, 5, requires_grad=True)
    torch.manual_seed(7)
    noise = [torch.randn_like(mean) for _ in range(6)]
    p = sum((mean + sigma * z).softmax(dim=1).gather(1, label[:, None]) for z in noise) / 6
    expected = torch.autograd.grad(-p.log().mean(), (mean, sigma))
    torch.manual_seed(7)
    found = torch.autograd.grad(noisy_cross_entropy(mean, sigma, label, 6), (mean, sigma))
    torch.testing.assert_close(found, expected)


def test_probabilities_too_small_for_float32_are_learnt_from():
    mean = maps(200.0, -200.0).requires_grad_()
    loss = noisy_cross_entropy(mean, maps(1, 1), pixel(1), 10)
    loss.backward()
    assert 380 < loss.item() < 400
    torch.testing.assert_close(mean.grad, maps(1, -1))


def test_unknown_voxels_are_left_out():
    mean, sigma = torch.tensor([[[0.0, 9.0], [1.0, -9.0]]]), torch.zeros(1, 2, 2)  # (N, K, S)
    found = noisy_cross_entropy(mean, sigma, torch.tensor([[1, IGNORE]]), 3)
    assert found.item() == pytest.approx(log(1 + exp(-1)))
    assert noisy_cross_entropy(mean, sigma, torch.full((1, 2), IGNORE), 3) == 0
    with pytest.raises(ValueError, match="label: expected the shape"):
        noisy_cross_entropy(mean, sigma, torch.zeros(1, 4).long(), 2)


def test_the_loss_is_float32_though_logits_are_not():
    mean, sigma, label = torch.ones(1, 2, 3).bfloat16(), torch.zeros(1, 2, 3), torch.zeros(1, 3).long()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert noisy_cross_entropy(mean, sigma, label, 2).dtype == torch.float32
        learner = HeteroscedasticNoise(task(2), network=SMALL)
        mean, sigma = learner.gaussian(torch.zeros(1, 1, 8, 8))
    assert mean.dtype == sigma.dtype == torch.float32


@both
@pytest.mark.parametrize("sigma", [0.1, 2.0])
def test_noise_starts_at_the_given_sigma(method, sigma):
    found = silent(method, sigma).noise_std(torch.zeros(3, 1, 4, 5))
    torch.testing.assert_close(found, torch.full((3, 2, 4, 5), sigma))


def test_the_later_maps_scale_the_noise_of_each_class_within_its_bounds():
    learner = constant(HeteroscedasticNoise, 1.0, 2.0, 2 * log(3), -2 * log(2), sigma=0.5)
    mean, sigma = learner.gaussian(torch.zeros(1, 1, 1, 1))
    torch.testing.assert_close(mean, maps(1, 2))
    torch.testing.assert_close(sigma, maps(1.5, 0.25))
    learner = constant(HeteroscedasticNoise, 0.0, 0.0, 100.0, -100.0)
    assert learner.noise_std(torch.zeros(1, 1, 1, 1)).flatten().tolist() == pytest.approx(SIGMAS[::-1])


def test_one_noise_for_each_class_is_the_same_everywhere():
    learner = HomoscedasticNoise(task(2), network=SMALL)
    learner.log_variance.data = torch.tensor([2 * log(3), -2 * log(2)])
    found = learner.noise_std(torch.randn(2, 1, 8, 8))
    torch.testing.assert_close(found, maps(3, 0.5).expand(2, 2, 8, 8))


def test_the_loss_has_its_draws_for_each_patch(monkeypatch):
    seen, plain = [], torch.randn_like
    monkeypatch.setattr(torch, "randn_like", lambda x: seen.append(x.shape) or plain(x))
    learner = constant(HomoscedasticNoise, 0.0, 0.0, loss_draws=7)
    learner.losses(Batch(torch.zeros(3, 1, 2, 2), torch.zeros(3, 2, 2).long()), 0)
    assert seen == [(3, 2, 2, 2)] * 7


def test_noise_grows_until_the_probability_is_that_of_the_labels():
    # a network that always says 4: what 8 of 10 readings confirm calls for E s(4 + sigma z) = .8
    torch.manual_seed(0)
    learner = constant(HomoscedasticNoise, 0.0, 4.0, sigma=2.0, loss_draws=10)
    label = (torch.arange(500) % 10 < 8).long().view(1, 1, 500)
    batch = Batch(torch.zeros(1, 1, 1, 500), label)
    descent = torch.optim.Adam([learner.log_variance], lr=0.2)
    for step in range(40):
        descent.zero_grad()
        learner.losses(batch, step)["cross_entropy"].backward()
        descent.step()
    sigmas = learner.noise_std(batch.image)[0, :, 0, 0].tolist()
    assert probability(4.0, 2.0, 2.0) > 0.85
    assert probability(4.0, *sigmas) == pytest.approx(0.8, abs=0.02)


@both
def test_samples_of_all_patches_share_their_noise(method):
    found = sampled(silent(method, 2.0), torch.zeros(3, 1, 4, 5), 6)
    assert torch.equal(found, found[:, :1].expand(6, 3, 2, 4, 5))
    assert len(found[:, 0, 1].unique()) == 6 * 4 * 5  # each voxel, each draw


def test_samples_and_prediction_have_the_moments_of_the_noise():
    learner = constant(HeteroscedasticNoise, 0.2, 1.2, 2 * log(1.5), 2 * log(2.0), sigma=1.0)
    image = torch.zeros(1, 1, 100, 100)
    samples = sampled(learner, image, 4)[:, :, 1]
    assert samples.logit().mean().item() == pytest.approx(1.0, abs=0.05)
    assert samples.logit().std().item() == pytest.approx(2.5, abs=0.05)  # sqrt(1.5^2 + 2^2)
    mean = learner.predict(image)
    torch.testing.assert_close(mean.sum(dim=1), torch.ones(1, 100, 100))
    assert mean[:, 1].mean().item() == pytest.approx(probability(1.0, 1.5, 2.0), abs=0.005)
    assert mean[:, 1].std() < samples.std() / 4  # of one voxel, 32 draws are averaged


def test_with_next_to_no_noise_it_is_the_supervised_twin():
    network, batch = recipe(UNet, features=(4, 8)), noise_batch(classes=2)
    torch.manual_seed(0)
    twin = Supervised(task(2), network=network, loss=recipe(CrossEntropy))
    torch.manual_seed(0)
    learner = HomoscedasticNoise(task(2), network=network, sigma=SIGMAS[0])
    torch.testing.assert_close(learner.losses(batch, 0), twin.losses(batch, 0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(learner.predict(batch.image), twin.predict(batch.image), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sigma": 0.0}, "sigma: expected greater than or equal to 0.001, got 0.0"),
        ({"sigma": inf}, "sigma: expected less than or equal to 20, got inf"),
        ({"loss_draws": 0}, "loss_draws: expected greater than or equal to 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        HomoscedasticNoise(task(2), network=SMALL, **arguments)
