"""The Probabilistic U-Net, taken apart."""

import pytest
import torch
from latent_toys import apart, divergence, other_label, seeded
from torch import nn
from torch.nn import functional as F
from toys import noise_batch, sampled

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.latent.gaussian import with_label
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet


def gaussians(learner, seen):
    return learner.posterior(with_label(seen.image, seen.label, 3)), learner.prior(seen.image)


@pytest.mark.parametrize("shape", [(16, 12), (8, 12, 4)])
def test_splitting_the_first_layer_equals_features_and_code_side_by_side(shape):
    learner, image = seeded(ProbabilisticUNet, dims=len(shape), latents=3), noise_batch(shape).image
    conv = F.conv2d if len(shape) == 2 else F.conv3d
    code = torch.randn(2, 3)
    unet, fuse = learner.network, learner.fuse
    features = unet.decode(unet.encode(image), shape)
    wide = code.view(2, 3, *[1] * len(shape)).expand(2, 3, *shape)
    ones = [1] * len(shape)
    weight = torch.cat((fuse.image.weight, fuse.code.weight.view(4, 3, *ones)), dim=1)
    x = F.leaky_relu(conv(torch.cat((features, wide), dim=1), weight, fuse.image.bias))
    for mix in fuse.mix:
        x = F.leaky_relu(conv(x, mix.weight, mix.bias))
    expected = conv(x, unet.head.weight, unet.head.bias)
    torch.testing.assert_close(learner.logits(learner.features(image), code), expected, rtol=1e-4, atol=1e-5)


def test_samples_are_those_of_codes_of_the_prior_one_by_one():
    learner, image = seeded(ProbabilisticUNet), noise_batch().image
    found = sampled(learner, image, 3, seed=5)
    torch.manual_seed(5)
    noise = torch.randn(3, 1, 6)
    prior = learner.prior(image)
    for i in range(3):
        code = prior.mean + prior.log_std.exp() * noise[i]
        torch.testing.assert_close(found[i], learner.logits(learner.features(image), code).softmax(dim=1))


def test_the_posterior_sees_the_label_and_the_prior_does_not():
    learner, seen = seeded(ProbabilisticUNet), noise_batch()
    (posterior, prior), (others, same) = gaussians(learner, seen), gaussians(learner, other_label(seen))
    assert torch.equal(prior.mean, same.mean)
    assert torch.equal(prior.log_std, same.log_std)
    assert (posterior.mean - others.mean).abs().min() > 0
    assert (posterior.log_std - others.log_std).abs().max() > 0


def test_the_terms_are_the_bound_per_voxel():
    learner, seen = apart(seeded(ProbabilisticUNet, beta=2.5)), noise_batch((16, 12))
    torch.manual_seed(7)
    terms = learner.losses(seen, 0)
    torch.manual_seed(7)
    posterior, prior = gaussians(learner, seen)
    code = posterior.mean + posterior.log_std.exp() * torch.randn(2, 6)
    logits = learner.logits(learner.features(seen.image), code)
    torch.testing.assert_close(terms["cross_entropy"], F.cross_entropy(logits, seen.label))
    torch.testing.assert_close(terms["kl"], 2.5 * divergence(posterior, prior).mean() / (16 * 12))
    assert set(terms) == {"cross_entropy", "kl"}


def plain(learner: ProbabilisticUNet) -> ProbabilisticUNet:
    """With the hidden 1x1 convolutions the identity, and without the code."""
    with torch.no_grad():
        for layer in (learner.fuse.image, *learner.fuse.mix):
            nn.init.dirac_(layer.weight)
            layer.bias.zero_()
        learner.fuse.code.weight.zero_()
    learner.fuse.activation = nn.Identity()
    return learner


def test_without_its_code_it_is_the_supervised_u_net():
    twin = seeded(Supervised, loss=recipe(CrossEntropy))
    learner, seen = plain(seeded(ProbabilisticUNet, beta=0.0)), noise_batch()
    for found in sampled(learner, seen.image, 2):
        torch.testing.assert_close(found, twin.predict(seen.image), rtol=0, atol=0)
    sum(learner.losses(seen, 0).values()).backward()
    twin.losses(seen, 0)["cross_entropy"].backward()
    for mine, its in zip(learner.network.parameters(), twin.network.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-5, atol=1e-7)


def test_the_encoders_of_codes_have_no_norm_and_the_u_net_keeps_its_own():
    learner = seeded(ProbabilisticUNet)
    parts = (learner.prior, learner.posterior, learner.network)
    normed = [any(isinstance(module, InstanceNorm) for module in part.modules()) for part in parts]
    assert normed == [False, False, True]


def test_the_encoders_of_codes_move_at_their_own_pace():
    learner = seeded(ProbabilisticUNet, pace=0.1)
    (phase,) = learner.phases()
    assert {share: set(some) for share, some in phase.slower.items()} == {
        0.1: {*learner.prior.parameters(), *learner.posterior.parameters()}
    }
