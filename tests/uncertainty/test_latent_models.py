"""What both latent models promise: which networks they take, who sees the label, and where gradients go."""

import pytest
import torch
from latent_toys import THREE_LEVELS, seeded
from torch import nn
from toys import noise_batch, sampled, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.gaussian import warmed_up, with_label
from medseg_lab.uncertainty.latent.phiseg import PHiSeg
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet

both = pytest.mark.parametrize("method", [ProbabilisticUNet, PHiSeg])
PRIOR = {ProbabilisticUNet: "prior", PHiSeg: "network"}


def losses(learner, seen, seed=0):
    torch.manual_seed(seed)
    return learner.losses(seen, 0)


def moved(learner: nn.Module, loss: torch.Tensor) -> set[str]:
    """The parameters that a loss would move."""
    learner.zero_grad()
    loss.backward()
    return {n for n, p in learner.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def part(learner: nn.Module, name: str) -> set[str]:
    """The parameters of one part."""
    return {n for n, _ in learner.named_parameters() if n.startswith(f"{name}.")}


def divergences(terms):
    return sum(value for name, value in terms.items() if name.startswith("kl"))


@both
@pytest.mark.parametrize(
    "network",
    [recipe(UNetPlusPlus, features=(4, 6, 8)), recipe(UNet, features=(4, 6), skips=False, dropout=0.5)],
)
@pytest.mark.parametrize("shape", [(13, 10), (8, 9, 10)])
def test_any_encoder_and_decoder_is_trained_and_sampled(method, network, shape):
    learner, seen = seeded(method, dims=len(shape), network=network).train(), noise_batch(shape)
    found = moved(learner, sum(losses(learner, seen).values()))
    assert found == {name for name, _ in learner.named_parameters()}
    before = sampled(learner.eval(), seen.image, 2)
    torch.optim.SGD(learner.parameters(), lr=0.1).step()
    after = sampled(learner, seen.image, 2)
    assert after.shape == (2, 2, 3, *shape)
    assert (after - before).abs().max() > 1e-3
    assert (after[0] - after[1]).abs().max() > 1e-3


@both
def test_a_network_that_is_no_encoder_and_decoder_is_refused_with_what_it_lacks(method):
    lacking = "widths, strides, head, encode, decode, scores, encoder_alone"
    with pytest.raises(ValueError, match=f"network: expected an encoder .+ got FCN, which has no {lacking}"):
        method(task(2), network=recipe(FCN))
    with pytest.raises(ValueError, match="latents: expected greater than or equal to 1, got 0"):
        method(task(2), network=THREE_LEVELS, latents=0)


@both
def test_the_network_is_that_of_other_methods_under_one_seed(method):
    torch.manual_seed(0)
    plain = THREE_LEVELS.build(in_channels=1, out_channels=3, spatial_dims=2).encoder.state_dict()
    learner = seeded(method)
    mine = (learner.network if method is ProbabilisticUNet else learner.network.network).encoder.state_dict()
    assert all(torch.equal(value, mine[name]) for name, value in plain.items())


@both
def test_the_image_is_encoded_once_for_all_samples(method):
    learner, calls = seeded(method), []
    network = learner.network if method is ProbabilisticUNet else learner.network.network
    network.encoder[0].register_forward_hook(lambda _, inputs, output: calls.append(len(output)))
    sampled(learner, noise_batch(n=2).image, 5)
    assert calls == [2]


@both
def test_the_posterior_has_no_part_in_a_sample(method):
    learner, seen = seeded(method), noise_batch()
    before = sampled(learner, seen.image, 2)
    for parameter in learner.posterior.parameters():
        parameter.data.fill_(torch.nan)
    assert torch.equal(before, sampled(learner, seen.image, 2))
    assert torch.isnan(losses(learner, seen)["cross_entropy"])


@both
def test_the_label_teaches_the_posterior_through_its_draw_and_the_prior_through_the_divergence_alone(method):
    learner = seeded(method)
    found = moved(learner, losses(learner, noise_batch())["cross_entropy"])
    prior, posterior = part(learner, PRIOR[method]), part(learner, "posterior")
    assert posterior <= found
    assert not prior & found
    assert prior | posterior <= moved(learner, divergences(losses(learner, noise_batch())))


@both
def test_the_bound_is_computed_under_bfloat16(method):
    learner, seen = seeded(method), noise_batch()
    with torch.autocast("cpu", torch.bfloat16):
        terms = losses(learner, seen)
        found = sampled(learner, seen.image, 2)
    assert {value.dtype for value in terms.values()} == {torch.float32}
    for name, value in losses(learner, seen).items():
        torch.testing.assert_close(terms[name], value, rtol=0.1, atol=1e-3)
    assert found.dtype == torch.float32


@both
def test_a_patch_that_nobody_labelled_is_no_obstacle(method):
    seen = noise_batch()
    terms = losses(seeded(method), seen._replace(label=torch.full_like(seen.label, IGNORE)))
    assert terms["cross_entropy"] == 0
    assert torch.isfinite(divergences(terms))


@both
def test_the_divergence_does_not_leap(method, tmp_path):
    """At the rate of all methods; without small first weights and a slower pace it is tens of thousands."""
    target = recipe(method, network=recipe(UNet), spatial_dims=2)
    cohort = tiny_cohort(3, 3, raters=2, shape=(32, 32, 8), patch=32)
    learner, curves = trained(target, cohort, tmp_path, steps=50, voxels=2 * 32**2, patch=32)
    kl = [row["noted.kl"] for row in curves.rows]
    assert max(kl) < 1000
    if method is ProbabilisticUNet:  # what is noted is the divergence itself, in nats a patch
        weights = [learner.beta / 32**2 * warmed_up(step, 50, learner.warm_up) for step in range(50)]
        assert [row["kl"] for row in curves.rows] == pytest.approx(
            [w * k for w, k in zip(weights, kl, strict=True)]
        )


@both
def test_samples_take_sides_where_raters_split(method):
    # one image, of which half of the raters mark all and half nothing: samples are far from 1/2
    torch.manual_seed(0)
    image = torch.randn(1, 1, 4, 4).expand(8, 1, 4, 4)
    label = torch.tensor([0, 1] * 4).view(8, 1, 1).expand(8, 4, 4).contiguous()
    learner = seeded(method, classes=2, network=recipe(UNet, features=(4, 8)), beta=0.25).train()
    optimiser = torch.optim.Adam(learner.parameters(), 1e-2)
    for step in range(100):
        optimiser.zero_grad()
        sum(learner.losses(Batch(image, label), step).values()).backward()
        optimiser.step()
    marked = sampled(learner.eval(), image[:1], 100)[:, 0, 1].mean(dim=(1, 2))
    assert 0.2 < marked.mean() < 0.8
    assert (marked - 0.5).abs().mean() > 0.25


def test_a_label_becomes_a_channel_for_each_class():
    image = torch.tensor([[[[5.0, 6.0, 7.0, 8.0]]]])
    label = torch.tensor([[[0, 2, IGNORE, 1]]])
    found = with_label(image, label, 3)
    assert found[0, :, 0].tolist() == [[5, 6, 7, 8], [1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert found.dtype == image.dtype
