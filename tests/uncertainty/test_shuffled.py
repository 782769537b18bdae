"""The shuffled control: the same classes, the same doubts, in other places."""

import pytest
import torch
from bayes_toys import NETWORK, TASK, batch, seeded, tiny_cohort

from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import Budget
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout
from medseg_lab.uncertainty.shuffled import Shuffled, moved_doubts

DROPPING = recipe(UNet, features=(4, 8), dropout=0.5)


def probabilities(classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(classes)
    return (2 * torch.randn(2, classes, 5, 6, generator=generator)).softmax(1)


def entropies(p: torch.Tensor, dim: int = 1) -> torch.Tensor:
    return -(p * p.log()).sum(dim)


def built() -> Shuffled:
    torch.manual_seed(0)
    return Shuffled(MCDropout(Supervised(TASK, DROPPING)))


def test_two_voxels_by_hand():
    p = torch.tensor([[0.9, 0.4], [0.1, 0.6]]).view(1, 2, 1, 2)
    found = moved_doubts(p, torch.tensor([1, 0]))
    assert torch.equal(found, torch.tensor([[0.6, 0.1], [0.4, 0.9]]).view(1, 2, 1, 2))


def test_three_classes_by_hand():
    # voxel 0 ranks b, c, a; voxel 1 ranks a, b, c; voxel 2 ranks c, a, b. Each takes from the next.
    p = torch.tensor([[0.1, 0.5, 0.2], [0.7, 0.4, 0.0], [0.2, 0.1, 0.8]]).view(1, 3, 1, 3)
    wanted = torch.tensor([[0.1, 0.8, 0.2], [0.5, 0.2, 0.1], [0.4, 0.0, 0.7]]).view(1, 3, 1, 3)
    assert torch.equal(moved_doubts(p, torch.tensor([1, 2, 0])), wanted)


def test_in_the_order_that_was_nothing_moves():
    p = probabilities(3)
    assert torch.equal(moved_doubts(p, torch.arange(30)), p)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classes_stay_and_entropies_are_the_same_set_in_other_places(classes):
    p = probabilities(classes)
    found = moved_doubts(p, torch.randperm(30, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(found.argsort(1), p.argsort(1))
    torch.testing.assert_close(found.sum(1), torch.ones(2, 5, 6))
    for mine, theirs in zip(entropies(found), entropies(p), strict=True):  # patch by patch
        torch.testing.assert_close(mine.flatten().sort()[0], theirs.flatten().sort()[0])
        assert not torch.allclose(mine, theirs)


def test_the_order_is_one_for_all_patches():
    image = batch(1).image.expand(3, -1, -1, -1)
    found = seeded(built(), image, 2)
    torch.testing.assert_close(found, found[:, :1].expand(-1, 3, -1, -1, -1))


def test_more_patches_change_nothing():
    learner, image = built(), batch(4).image
    torch.testing.assert_close(seeded(learner, image, 3)[:, 1:2], seeded(learner, image[1:2], 3))


def test_every_sample_is_the_shuffled_mean_of_the_learners_samples():
    learner, image = built(), batch().image
    torch.manual_seed(7)
    with torch.no_grad():
        mean = learner.learner.sample(image, 5).mean(0)
    found = seeded(learner, image, 5)
    assert found.shape == (5, 2, 3, 8, 8)
    assert torch.equal(found, found[:1].expand(5, -1, -1, -1, -1))
    assert torch.equal(found[0].argmax(1), mean.argmax(1))
    one, other = entropies(found[0]), entropies(mean)
    torch.testing.assert_close(one.flatten(1).sort()[0], other.flatten(1).sort()[0])
    assert not torch.allclose(one, other)


def test_the_order_is_chance():
    # a learner without chance of its own: what differs is the order
    torch.manual_seed(0)
    learner, image = Shuffled(Supervised(TASK, NETWORK)), batch().image
    assert torch.equal(seeded(learner, image, 1), seeded(learner, image, 1))
    assert not torch.equal(seeded(learner, image, 1), seeded(learner, image, 1, seed=8))


def test_the_prediction_is_that_of_eight_samples():
    learner, image = built(), batch().image
    wanted = seeded(learner, image, 8)[0]
    torch.manual_seed(7)
    with torch.no_grad():
        assert torch.equal(learner.predict(image), wanted)


def test_the_base_of_a_base_is_trained_once(tmp_path, monkeypatch):
    base = recipe(Supervised, network=DROPPING)
    passes = recipe(MCDropout, learner=base)
    options = {"store": RunStore(tmp_path), "progress": False}
    cohort, budget = tiny_cohort(), Budget(steps=3, voxels=128, patch=8)
    run = fit(recipe(Shuffled, learner=passes), cohort, budget, 0, **options)
    monkeypatch.setattr("medseg_lab.training.fit.train", None)  # to train again would fail
    between, trained = (fit(target, cohort, budget, 0, **options) for target in (passes, base))
    assert between.replayed
    assert trained.replayed
    assert run.record.base == between.record.key
    assert between.record.base == trained.record.key
    learner, image = run.learner(), cohort.validation[0].image[None]
    assert learner.patch == (8, 8)
    wanted = seeded(Shuffled(MCDropout(trained.learner())), image, 3)
    assert torch.equal(seeded(learner, image, 3), wanted)
    assert fit(recipe(Shuffled, learner=passes), cohort, budget, 0, **options).replayed
