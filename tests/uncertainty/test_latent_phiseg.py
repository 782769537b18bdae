"""PHiSeg, level by level."""

import pytest
import torch
from latent_toys import THREE_LEVELS, apart, divergence, other_label, seeded
from torch.nn import functional as F
from toys import noise_batch, sampled, task

from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.gaussian import with_label
from medseg_lab.uncertainty.latent.hierarchy import Likelihood, partial_sums
from medseg_lab.uncertainty.latent.phiseg import PHiSeg

SHAPES = [(16, 12), (8, 6), (4, 3)]


def maps(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn((2, 2, *shape), generator=generator) for shape in SHAPES]


def exchanged(level: int) -> list[torch.Tensor]:
    """The maps, with another one at one level."""
    return [maps(1)[k] if k == level else maps()[k] for k in range(3)]


def given(hierarchy, x, latents):
    """The Gaussians of each level, where these maps were drawn."""
    return hierarchy.descend(hierarchy.encode(x), lambda level, _: latents[level])[0]


def seen_by_posterior(seen):
    return with_label(seen.image, seen.label, 3)


def test_partial_sums_add_what_is_coarser_enlarged_linearly():
    # halving 4 cells to 2: cells at -1/2 and 1/2 of a coarse cell give 3/4 and 1/4 of each neighbour
    fine, coarse = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([0.0, 1.0])
    found = partial_sums([fine.view(1, 1, 1, 4).expand(1, 1, 2, 4), coarse.view(1, 1, 1, 2)])
    assert found.shape == (2, 1, 1, 2, 4)
    assert found[0, 0, 0, 0].tolist() == [10, 20.25, 30.75, 41]
    assert found[1, 0, 0, 1].tolist() == [0, 0.25, 0.75, 1]
    low = partial_sums([torch.full((1, 1, 4, 4), 256.0).bfloat16(), torch.ones(1, 1, 2, 2).bfloat16()])
    assert low[0].unique().tolist() == [257]  # in float32: bfloat16 goes from 256 to 258


def test_the_logits_are_the_sum_over_levels():
    learner, latents, image = seeded(PHiSeg), maps(), noise_batch().image
    levels = learner.likelihood(latents)
    assert [tuple(each.shape[2:]) for each in levels] == SHAPES
    enlarged = [F.interpolate(each, (16, 12), mode="bilinear", align_corners=False) for each in levels]
    found = learner.logits(latents, image)
    torch.testing.assert_close(found[0], sum(enlarged), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[2], enlarged[2])


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_logits_and_gaussians_depend_on_the_coarser_maps(changed):
    """The logits of a level on its own map as well; the Gaussian of a level on the coarser ones alone."""
    learner, seen = seeded(PHiSeg), noise_batch()
    before, after = (learner.likelihood(latents) for latents in (maps(), exchanged(changed)))
    differs = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert differs == [level <= changed for level in range(3)]
    for hierarchy, x in ((learner.prior, seen.image), (learner.posterior, seen_by_posterior(seen))):
        before, after = (given(hierarchy, x, latents) for latents in (maps(), exchanged(changed)))
        differs = [not torch.equal(a.mean, b.mean) for a, b in zip(before, after, strict=True)]
        assert differs == [level < changed for level in range(3)]


@pytest.mark.parametrize(("level", "reach"), [(0, 5), (1, 14), (2, 32)])
def test_a_coarse_cell_moves_a_wide_area_and_a_fine_one_detail(level, reach):
    # Two 3^2 convolutions a level: a cell reaches 5 cells of its own level, those are 10 of the next one, 14
    # with its convolutions; and again, 28 and 32.
    torch.manual_seed(0)
    likelihood = Likelihood(2, 2, 3, (4, 6, 8), (2, 2))
    latents = [torch.randn(1, 2, 64 // 2**k, 64 // 2**k) for k in range(3)]
    other = [z.clone() for z in latents]
    middle = 32 // 2**level
    other[level][..., middle, middle] += 1
    before, after = (partial_sums(likelihood(z))[0] for z in (latents, other))
    rows, columns = (before != after).any(dim=1)[0].nonzero().unbind(dim=1)
    assert rows.max() - rows.min() + 1 == reach
    assert columns.max() - columns.min() + 1 == reach


def test_the_posterior_sees_the_label_at_every_level_and_the_prior_does_not():
    learner, seen = seeded(PHiSeg), noise_batch()
    first, second = (
        given(learner.posterior, seen_by_posterior(each), maps()) for each in (seen, other_label(seen))
    )
    assert all((a.mean != b.mean).any() for a, b in zip(first, second, strict=True))
    assert all((a.log_std != b.log_std).any() for a, b in zip(first, second, strict=True))
    inputs = [h.network.encoder[0][0][0].in_channels for h in (learner.prior, learner.posterior)]
    assert inputs == [1, 1 + 3]


def test_maps_are_drawn_from_the_posterior_and_the_divergence_is_taken_there():
    learner, seen = apart(seeded(PHiSeg)), noise_batch()
    torch.manual_seed(4)
    found, latents = learner.inferred(seen.image, seen.label)
    posterior = given(learner.posterior, seen_by_posterior(seen), latents)
    prior = given(learner.prior, seen.image, latents)
    torch.manual_seed(4)
    for level in (2, 1, 0):  # coarse first
        q = posterior[level]
        torch.testing.assert_close(latents[level], q.mean + q.log_std.exp() * torch.randn(q.mean.shape))
        torch.testing.assert_close(found[level], divergence(q, prior[level]))


@pytest.mark.parametrize(("deep", "levels"), [(True, (0, 1, 2)), (False, (0,))])
def test_the_terms_are_the_bound_per_voxel(deep, levels):
    learner, seen = seeded(PHiSeg, beta=2.0, growth=3.0, deep=deep), noise_batch((16, 12))
    torch.manual_seed(7)
    terms = learner.losses(seen, 0)
    torch.manual_seed(7)
    divergences, latents = learner.inferred(seen.image, seen.label)
    logits = learner.logits(latents, seen.image)
    expected = sum(F.cross_entropy(logits[level], seen.label) for level in levels)
    torch.testing.assert_close(terms["cross_entropy"], expected)
    for level, each in enumerate(divergences):
        torch.testing.assert_close(terms[f"kl {level}"], 2 * 3**level * each.mean() / (16 * 12))
    assert len(terms) == 1 + 3


def test_samples_are_descents_of_the_prior_one_by_one():
    learner, image = seeded(PHiSeg), noise_batch().image
    found = sampled(learner, image, 3, seed=5)
    torch.manual_seed(5)
    noise = [torch.randn(3, 1, 2, *shape) for shape in SHAPES]
    for i in range(3):
        _, latents = learner.prior.descend(
            learner.prior.encode(image), lambda level, g, i=i: g.mean + g.log_std.exp() * noise[level][i]
        )
        torch.testing.assert_close(found[i], learner.logits(latents, image)[0].softmax(dim=1))


def test_levels_below_the_last_map_are_deterministic():
    learner, seen = seeded(PHiSeg, levels=2), noise_batch()
    with torch.no_grad():
        encoded = learner.prior.encode(seen.image)
        plain = learner.prior.network.encode(seen.image)
        decoder = learner.prior.decoder
        expected = decoder.stage[1](torch.cat((plain[1], decoder.up[1](plain[2])), dim=1))
    assert len(encoded) == 2
    torch.testing.assert_close(encoded[1], expected)
    torch.testing.assert_close(encoded[0], plain[0])
    terms = learner.train().losses(seen, 0)
    assert set(terms) == {"cross_entropy", "kl 0", "kl 1"}
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in learner.parameters())


def test_there_are_as_many_levels_as_the_network_has_and_no_more():
    learner = seeded(PHiSeg, network=recipe(UNet, features=(4,)))
    assert sampled(learner, noise_batch().image, 2).shape == (2, 2, 3, 16, 12)
    with pytest.raises(ValueError, match="levels: expected 1 to 3, those of the network, got 4"):
        PHiSeg(task(2), network=THREE_LEVELS, levels=4)
