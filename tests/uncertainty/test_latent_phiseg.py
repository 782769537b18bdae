"""PHiSeg, level by level."""

import pytest
import torch
from latent_toys import SMALL, apart, batch, divergence, other_label, sampled, seeded, task
from medseg_lab.uncertainty.latent.unets import with_label
from torch.nn import functional as F

from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.hierarchy import Likelihood, partial_sums
from medseg_lab.uncertainty.latent.phiseg import PHiSeg

SHAPES = [(16, 12), (8, 6), (4, 3)]


def maps(seed: int = 0, n: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn((n, 2, *shape), generator=generator) for shape in SHAPES]


def given(hierarchy, x, latents):
    """The Gaussians of each level, where these maps were drawn."""
    return hierarchy.descend(hierarchy.encode(x), lambda level, _: latents[level])[0]


def seen_by(seen):
    return with_label(seen.image, seen.label, 3)


def test_partial_sums_add_what_is_coarser_enlarged_linearly():
    # halving 4 cells to 2: cells at -1/2 and 1/2 of a coarse cell give 3/4 and 1/4 of each neighbour
    fine, coarse = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([0.0, 1.0])
    found = partial_sums([fine.view(1, 1, 1, 4).expand(1, 1, 2, 4), coarse.view(1, 1, 1, 2)])
    assert found.shape == (2, 1, 1, 2, 4)
    assert found[0, 0, 0, 0].tolist() == [10, 20.25, 30.75, 41]
    assert found[1, 0, 0, 1].tolist() == [0, 0.25, 0.75, 1]


def test_partial_sums_are_in_float32():
    found = partial_sums([torch.full((1, 1, 4, 4), 256.0).bfloat16(), torch.ones(1, 1, 2, 2).bfloat16()])
    assert found.dtype == torch.float32
    assert found[0].unique().tolist() == [257]  # bfloat16 goes from 256 to 258


def test_the_logits_are_the_sum_over_levels():
    learner, latents = seeded(PHiSeg), maps()
    levels = learner.likelihood(latents)
    assert [tuple(each.shape[2:]) for each in levels] == SHAPES
    expected = sum(F.interpolate(each, (16, 12), mode="bilinear", align_corners=False) for each in levels)
    torch.testing.assert_close(learner.logits(latents, batch().image)[0], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        learner.logits(latents, batch().image)[2],
        F.interpolate(levels[2], (16, 12), mode="bilinear", align_corners=False),
    )


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_logits_of_a_level_hang_on_its_map_and_the_coarser_ones(changed):
    learner, latents, others = seeded(PHiSeg), maps(), maps(1)
    before = learner.likelihood(latents)
    after = learner.likelihood([others[k] if k == changed else latents[k] for k in range(3)])
    assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [
        k <= changed for k in range(3)
    ]


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("who", ["prior", "posterior"])
def test_a_gaussian_hangs_on_the_coarser_maps_and_no_other(changed, who):
    learner, latents, others = seeded(PHiSeg), maps(), maps(1)
    x = batch().image if who == "prior" else seen_by(batch())
    hierarchy = getattr(learner, who)
    before = given(hierarchy, x, latents)
    after = given(hierarchy, x, [others[k] if k == changed else latents[k] for k in range(3)])
    differs = [not torch.equal(a.mean, b.mean) for a, b in zip(before, after, strict=True)]
    assert differs == [k < changed for k in range(3)]


@pytest.mark.parametrize("who", ["prior", "posterior"])
def test_the_finest_gaussian_teaches_the_coarser_maps(who):
    learner, latents = seeded(PHiSeg), [each.requires_grad_() for each in maps()]
    x = batch().image if who == "prior" else seen_by(batch())
    finest = given(getattr(learner, who), x, latents)[0]
    (finest.mean**2).sum().backward()
    assert latents[0].grad is None
    assert all(each.grad.abs().max() > 0 for each in latents[1:])


@pytest.mark.parametrize(("level", "reach"), [(0, 5), (1, 14), (2, 32)])
def test_a_coarse_cell_moves_a_wide_area_and_a_fine_one_detail(level, reach):
    # Two 3^2 convolutions a level: a cell reaches 5 cells of its own level, those are 10 of the next one, 14
    # with its convolutions; and again, 28 and 32.
    torch.manual_seed(0)
    likelihood = Likelihood(2, 2, 3, (4, 6, 8))
    latents = [torch.randn(1, 2, 64 // 2**k, 64 // 2**k) for k in range(3)]
    other = [z.clone() for z in latents]
    middle = 32 // 2**level
    other[level][..., middle, middle] += 1
    before, after = (partial_sums(likelihood(z))[0] for z in (latents, other))
    rows, columns = (before != after).any(dim=1)[0].nonzero().unbind(dim=1)
    assert rows.max() - rows.min() + 1 == reach
    assert columns.max() - columns.min() + 1 == reach


def test_the_posterior_sees_the_label_and_the_prior_does_not():
    learner, seen, latents = seeded(PHiSeg), batch(), maps()
    first, second = (given(learner.posterior, seen_by(b), latents) for b in (seen, other_label(seen)))
    assert all((a.mean != b.mean).any() for a, b in zip(first, second, strict=True))
    assert all((a.log_std != b.log_std).any() for a, b in zip(first, second, strict=True))
    assert learner.prior.unet.encoder[0][0][0].in_channels == 1
    assert learner.posterior.unet.encoder[0][0][0].in_channels == 1 + 3


def test_the_divergence_of_each_level_is_taken_where_the_posterior_drew():
    learner, seen = apart(seeded(PHiSeg)), batch()
    found, latents = learner.inferred(seen.image, seen.label)
    posterior = given(learner.posterior, seen_by(seen), latents)
    prior = given(learner.prior, seen.image, latents)
    for level in range(3):
        torch.testing.assert_close(found[level], divergence(posterior[level], prior[level]))


def test_the_maps_in_training_are_draws_of_the_posterior():
    learner, seen = seeded(PHiSeg), batch()
    torch.manual_seed(4)
    _, latents = learner.inferred(seen.image, seen.label)
    torch.manual_seed(4)
    posterior = given(learner.posterior, seen_by(seen), latents)
    for level in (2, 1, 0):  # coarse first
        q = posterior[level]
        torch.testing.assert_close(latents[level], q.mean + q.log_std.exp() * torch.randn(q.mean.shape))


@pytest.mark.parametrize(("deep", "levels"), [(True, (0, 1, 2)), (False, (0,))])
def test_the_terms_are_the_bound_per_voxel(deep, levels):
    learner, seen = seeded(PHiSeg, beta=2.0, growth=3.0, deep=deep), batch((16, 12))
    torch.manual_seed(7)
    terms = learner.losses(seen, 0)
    torch.manual_seed(7)
    divergences, latents = learner.inferred(seen.image, seen.label)
    logits = learner.logits(latents, seen.image)
    expected = sum(F.cross_entropy(logits[level], seen.label) for level in levels) / len(levels)
    torch.testing.assert_close(terms["cross_entropy"], expected)
    for level, each in enumerate(divergences):
        torch.testing.assert_close(terms[f"kl {level}"], 2 * 3**level * each.mean() / (16 * 12))
    assert len(terms) == 1 + 3


def test_samples_are_descents_of_the_prior_one_by_one():
    learner, image = seeded(PHiSeg), batch().image
    found = sampled(learner, image, 3, seed=5)
    torch.manual_seed(5)
    noise = [torch.randn(3, 1, 2, *shape) for shape in SHAPES]
    for i in range(3):
        latents = []
        for level in (2, 1, 0):
            drawn = [torch.zeros(2, 2, *shape) for shape in SHAPES[:level]]
            p = given(learner.prior, image, [*drawn, torch.zeros(2, 2, *SHAPES[level]), *latents])[level]
            latents.insert(0, p.mean + p.log_std.exp() * noise[level][i])
        torch.testing.assert_close(found[i], learner.logits(latents, image)[0].softmax(dim=1))


def test_priors_without_spread_give_one_segmentation():
    learner, image = seeded(PHiSeg), batch().image
    with torch.no_grad():
        for layer in learner.prior.to_gaussian:
            layer.conv.bias[2:] = -40
    first, second = sampled(learner, image, 2)
    torch.testing.assert_close(first, second)


def test_levels_below_the_last_map_are_deterministic():
    learner, seen = seeded(PHiSeg, levels=2), batch()
    with torch.no_grad():
        encoded = learner.prior.encode(seen.image)
        unet = learner.prior.unet
        plain = unet.encode(seen.image)
        expected = unet.decoder[1](torch.cat((plain[1], unet.up[1](plain[2])), dim=1))
    assert len(encoded) == 2
    torch.testing.assert_close(encoded[1], expected)
    torch.testing.assert_close(encoded[0], plain[0])
    terms = learner.train().losses(seen, 0)
    assert set(terms) == {"cross_entropy", "kl 0", "kl 1"}
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in learner.parameters())


def test_maps_that_are_not_heard_leave_the_features_of_the_u_net():
    learner, image = seeded(PHiSeg), batch().image
    unet = learner.prior.unet
    with torch.no_grad():
        for layer in learner.prior.take_in:
            layer.weight.zero_()
            layer.bias.zero_()
        expected = learner.prior.to_gaussian[0](unet.decode(unet.encode(image), image.shape[2:]))
        found = given(learner.prior, image, maps())[0]
    torch.testing.assert_close(found.mean, expected.mean)


@pytest.mark.parametrize("levels", [0, 4])
def test_more_levels_than_the_network_has_are_refused(levels):
    with pytest.raises(ValueError, match=f"levels: got {levels}, wanted 1 to 3, those of the network"):
        PHiSeg(task(), SMALL, levels=levels)


def test_a_single_level_is_a_latent_map_beside_a_plain_u_net():
    learner = seeded(PHiSeg, network=recipe(UNet, features=(4,)))
    assert sampled(learner, batch().image, 2).shape == (2, 2, 3, 16, 12)
