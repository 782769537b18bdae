"""The shuffled control: the same classes, the same uncertainties, in other places."""

import pytest
import torch
from toys import SMALL, noise_batch, sampled, task

from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout
from medseg_lab.uncertainty.shuffled import Shuffled, moved


def probabilities(classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(classes)
    return (2 * torch.randn(2, classes, 5, 6, generator=generator)).softmax(1)


def sorted_entropies(p: torch.Tensor) -> torch.Tensor:
    """Patch by patch, from the least to the largest."""
    return -(p * p.log()).sum(1).flatten(1).sort()[0]


def test_two_voxels_by_hand():
    p = torch.tensor([[0.9, 0.4], [0.1, 0.6]]).view(1, 2, 1, 2)
    wanted = torch.tensor([[0.6, 0.1], [0.4, 0.9]]).view(1, 2, 1, 2)
    assert torch.equal(moved(p, torch.tensor([1, 0])), wanted)


def test_three_classes_by_hand():
    # voxel 0 ranks b, c, a; voxel 1 ranks a, b, c; voxel 2 ranks c, a, b. Each takes from the next.
    p = torch.tensor([[0.1, 0.5, 0.2], [0.7, 0.4, 0.0], [0.2, 0.1, 0.8]]).view(1, 3, 1, 3)
    wanted = torch.tensor([[0.1, 0.8, 0.2], [0.5, 0.2, 0.1], [0.4, 0.0, 0.7]]).view(1, 3, 1, 3)
    assert torch.equal(moved(p, torch.tensor([1, 2, 0])), wanted)


@pytest.mark.parametrize("classes", [2, 5])
def test_classes_stay_and_entropies_are_the_same_set_in_other_places(classes):
    p = probabilities(classes)
    assert torch.equal(moved(p, torch.arange(30)), p)
    found = moved(p, torch.randperm(30, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(found.argsort(1), p.argsort(1))
    torch.testing.assert_close(found.sum(1), torch.ones(2, 5, 6))
    torch.testing.assert_close(sorted_entropies(found), sorted_entropies(p))
    assert not torch.allclose(found, p, atol=0.1)


def test_every_sample_is_the_mean_of_the_learners_samples_in_one_random_order():
    learner = MCDropout(learner=Supervised(task(2, 3), network=SMALL))
    image = noise_batch(n=1).image.expand(3, -1, -1, -1)  # three times the same patch
    mean = sampled(learner, image, 5, seed=7).mean(0)
    found, other = (sampled(Shuffled(learner=learner), image, 5, seed=seed) for seed in (7, 8))
    assert torch.equal(found, found[:1].expand(5, -1, -1, -1, -1))
    torch.testing.assert_close(found, found[:, :1].expand(-1, 3, -1, -1, -1))
    assert torch.equal(found[0].argmax(1), mean.argmax(1))
    torch.testing.assert_close(sorted_entropies(found[0]), sorted_entropies(mean))
    assert not torch.allclose(found[0], mean, atol=0.01)
    assert not torch.allclose(found, other, atol=0.01)


def test_the_prediction_is_that_of_eight_samples():
    method = Shuffled(learner=Supervised(task(2, 3), network=SMALL).eval())
    image = noise_batch().image
    wanted = sampled(method, image, 8)[0]
    torch.manual_seed(0)
    with torch.no_grad():
        assert torch.equal(method.predict(image), wanted)
