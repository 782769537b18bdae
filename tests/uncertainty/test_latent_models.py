"""What both latent-variable models owe: samples, who sees the label, and where gradients go."""

import pytest
import torch
from latent_toys import SMALL, batch, counted, sampled, seeded, task
from medseg_lab.uncertainty.latent.unets import with_label
from torch import nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.phiseg import PHiSeg
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet

both = pytest.mark.parametrize("method", [ProbabilisticUNet, PHiSeg])


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
    inside = {id(p) for p in getattr(learner, name).parameters()}
    return {n for n, p in learner.named_parameters() if id(p) in inside}


def divergences(terms):
    return sum(value for name, value in terms.items() if name.startswith("kl"))


@both
@pytest.mark.parametrize("shape", [(16, 12), (13, 9), (8, 12, 4), (7, 5, 9)])
def test_samples_are_probabilities_of_any_size(method, shape):
    learner = seeded(method, dims=len(shape))
    found = sampled(learner, batch(shape).image, 3)
    assert found.shape == (3, 2, 3, *shape)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(dim=2), torch.ones(3, 2, *shape))
    assert torch.isfinite(sum(losses(learner, batch(shape)).values()))


@both
def test_two_samples_differ_and_the_same_seeds_do_not(method):
    learner, image = seeded(method), batch().image
    first = sampled(learner, image, 2, seed=1)
    assert (first[0] - first[1]).abs().max() > 1e-3
    assert torch.equal(first, sampled(learner, image, 2, seed=1))
    assert not torch.equal(first, sampled(learner, image, 2, seed=2))


@both
def test_all_patches_of_a_draw_share_its_noise(method):
    learner, image = seeded(method), batch(n=3).image
    together, alone = sampled(learner, image, 4), sampled(learner, image[1:2], 4)
    torch.testing.assert_close(together[:, 1:2], alone, rtol=1e-4, atol=1e-6)


@both
def test_the_image_is_encoded_once_for_all_samples(method):
    learner = seeded(method)
    unet = learner.network if method is ProbabilisticUNet else learner.network.unet
    with counted(unet.encoder[0]) as calls:
        sampled(learner, batch(n=2).image, 5)
    assert calls == [2]


@both
def test_the_prediction_is_the_mean_of_samples(method):
    learner, image = seeded(method), batch().image
    torch.manual_seed(3)
    torch.testing.assert_close(learner.predict(image), sampled(learner, image, 8, seed=3).mean(dim=0))


@both
def test_the_posterior_has_no_part_in_a_sample(method):
    learner, image = seeded(method), batch().image
    before = sampled(learner, image, 2)
    for parameter in learner.posterior.parameters():
        parameter.data.fill_(torch.nan)
    assert torch.equal(before, sampled(learner, image, 2))
    assert torch.isnan(losses(learner, batch())["cross_entropy"])


@both
def test_the_divergence_reaches_both_networks(method):
    learner = seeded(method)
    found = moved(learner, divergences(losses(learner, batch())))
    encoders = {"prior": "network.unet" if method is PHiSeg else "prior.unet", "posterior": "posterior.unet"}
    for encoder in encoders.values():
        assert f"{encoder}.encoder.0.0.0.weight" in found


@both
def test_the_label_teaches_the_posterior_through_its_draw_and_the_prior_through_the_divergence_alone(method):
    learner = seeded(method)
    found = moved(learner, losses(learner, batch())["cross_entropy"])
    prior = part(learner, "network" if method is PHiSeg else "prior")
    assert part(learner, "posterior") <= found
    assert not prior & found


@both
@pytest.mark.parametrize("dims", [2, 3])
def test_each_parameter_has_a_gradient(method, dims):
    learner = seeded(method, dims=dims).train()
    terms = losses(learner, batch((16, 12, 8)[:dims]))
    assert moved(learner, sum(terms.values())) == {name for name, _ in learner.named_parameters()}


@both
def test_beta_weighs_the_divergence_alone(method):
    once, thrice = (losses(seeded(method, beta=beta), batch()) for beta in (1.0, 3.0))
    assert torch.equal(once["cross_entropy"], thrice["cross_entropy"])
    torch.testing.assert_close(3 * divergences(once), divergences(thrice))


@both
def test_the_bound_is_computed_under_bfloat16(method):
    learner, seen = seeded(method), batch()
    with torch.autocast("cpu", torch.bfloat16):
        terms = losses(learner, seen)
        found = sampled(learner, seen.image, 2)
    assert {value.dtype for value in terms.values()} == {torch.float32}
    for name, value in losses(learner, seen).items():
        torch.testing.assert_close(terms[name], value, rtol=0.1, atol=1e-3)
    assert found.dtype == torch.float32


@both
def test_the_u_net_is_that_of_the_plain_method_under_one_seed(method):
    torch.manual_seed(0)
    plain = SMALL.build(in_channels=1, out_channels=3, spatial_dims=2).state_dict()
    learner = seeded(method)
    mine = (learner.network if method is ProbabilisticUNet else learner.network.unet).state_dict()
    assert len(mine) >= len(plain) - 2  # the head of PHiSeg is elsewhere
    assert all(torch.equal(plain[name], mine[name]) for name in mine)


@both
def test_a_patch_that_nobody_labelled_is_no_obstacle(method):
    seen = batch()
    terms = losses(seeded(method), seen._replace(label=torch.full_like(seen.label, IGNORE)))
    assert terms["cross_entropy"] == 0
    assert torch.isfinite(divergences(terms))


@both
@pytest.mark.parametrize("network", [FCN, UNetPlusPlus])
def test_other_networks_are_refused_by_name(method, network):
    with pytest.raises(ValueError, match=f"network: got {network.__name__}, wanted UNet"):
        method(task(), recipe(network))


@both
def test_a_code_of_no_length_is_refused(method):
    with pytest.raises(ValueError, match="latents: got 0, wanted 1 or more"):
        method(task(), SMALL, latents=0)


@both
def test_dropout_and_missing_skips_are_no_obstacle(method):
    learner = seeded(method, network=recipe(UNet, features=(4, 6), skips=False, dropout=0.5)).train()
    terms = losses(learner, batch())
    assert moved(learner, sum(terms.values())) == {name for name, _ in learner.named_parameters()}


@both
def test_samples_take_sides_where_raters_split(method):
    # one image, of which half of the raters mark all and half nothing: samples are far from 1/2
    torch.manual_seed(0)
    image = torch.randn(1, 1, 8, 8).expand(8, 1, 8, 8)
    label = torch.tensor([0, 1] * 4).view(8, 1, 1).expand(8, 8, 8).contiguous()
    learner = seeded(method, classes=2, network=recipe(UNet, features=(4, 8))).train()
    optimiser = torch.optim.Adam(learner.parameters(), 1e-2)
    for step in range(120):
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
