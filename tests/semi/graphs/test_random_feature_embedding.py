"""The mathematics of random feature embedding, beyond what `tests/contracts` proves of each configuration."""

from math import sqrt

import pytest
import torch
from toys import SMALL, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.semi.graphs.random_feature_embedding import RandomFeatureEmbedding, balanced, margin_loss
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

EAST, NORTH_EAST, NORTH = [2.0, 0.0], [3.0, 3.0], [0.0, 0.5]


def embedding(**arguments) -> RandomFeatureEmbedding:
    return RandomFeatureEmbedding(task(2, 3), network=SMALL, spatial_dims=2, **arguments)


def with_unlabelled(batch):
    return batch._replace(unlabelled=batch.image.flip(0) + 1)


def test_three_pixels_by_hand():
    """Two of class 0 at 45 degrees; one of class 1 at 90 degrees of the first, at 45 of the second."""
    features = torch.tensor([EAST, NORTH_EAST, NORTH], requires_grad=True)
    loss, too_close = margin_loss(features, torch.tensor([0, 0, 1]), 0.0)
    cosine = 1 / sqrt(2)
    assert loss.item() == pytest.approx((1 - cosine) + (0 + cosine) / 2)
    assert too_close.item() == 0.5  # at a right angle is far enough
    loss.backward()
    assert features.grad[0, 1] < 0  # down the gradient the first turns to the one that is like it
    assert features.grad[2, 0] > 0  # and the third turns away from the second
    torch.testing.assert_close((features.grad * features).sum(dim=1), torch.zeros(3))  # length is free
    within = margin_loss(features, torch.tensor([0, 0, 1]), 0.75)
    assert [one.item() for one in within] == pytest.approx([1 - cosine, 0])


def test_it_is_the_sum_over_all_pairs_of_pixels():
    torch.manual_seed(0)
    features, label, margin = torch.randn(40, 5), torch.randint(3, (40,)), 0.2
    label[7] = IGNORE
    alike, apart = [], []
    for i in range(40):
        for j in range(40):
            if i != j and IGNORE not in (label[i], label[j]):
                cosine = torch.cosine_similarity(features[i], features[j], dim=0).item()
                (alike if label[i] == label[j] else apart).append(cosine)
    wanted = sum(1 - c for c in alike) / len(alike) + sum(max(0, c - margin) for c in apart) / len(apart)
    loss, too_close = margin_loss(features, label, margin)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    assert too_close.item() == pytest.approx(sum(c > margin for c in apart) / len(apart))


@pytest.mark.parametrize("label", [[1, 1, 1], [0, 1, 2], [IGNORE, IGNORE, 0], [IGNORE] * 3])
def test_what_has_no_pairs_adds_nothing_and_has_a_gradient(label):
    features = torch.tensor([EAST, EAST, EAST], requires_grad=True)
    loss, _ = margin_loss(features, torch.tensor(label), 0.0)
    loss.backward()
    assert loss.item() == pytest.approx(float(label == [0, 1, 2]))
    assert features.grad.isfinite().all()


def test_a_pixel_without_features_has_a_gradient_of_a_common_size():
    """Stretched to unit length, a vector of nearly nothing would have a gradient of nearly infinity."""
    features = torch.tensor([EAST, [0.0, 0.0], [1e-9, 0.0]], requires_grad=True)
    margin_loss(features, torch.tensor([0, 0, 1]), 0.0)[0].backward()
    assert 0 < features.grad[1:].abs().max() < 20


def test_classes_are_balanced_as_far_as_they_are_there():
    """Of 400 pixels 4 have class 1, 100 class 2, and 50 nobody annotated."""
    torch.manual_seed(0)
    label = torch.zeros(2, 400, dtype=torch.int64)
    label[:, :4], label[:, 4:104], label[:, 104:154] = 1, 2, IGNORE
    found = label.take_along_dim(balanced(label, 60), dim=1)
    assert all(index.unique().numel() == 60 for index in balanced(label, 60))
    for patch in found:
        assert [int((patch == k).sum()) for k in (1, IGNORE)] == [4, 0]
        assert 18 <= (patch == 2).sum() <= 38  # 28 expected of 56
    rest = label[:1].take_along_dim(balanced(label[:1], 360), dim=1)
    assert (rest == IGNORE).sum() == 10  # these come last


def test_unlabelled_pixels_have_the_class_that_the_network_predicts():
    learner, batch = embedding(sampled=None), with_unlabelled(noise_batch())
    seen = []
    learner.of_patches = lambda features, label: seen.append(label) or [(features.mean(), features.mean())]
    learner.eval().consistency_loss(batch, 0)
    (label,) = seen
    assert torch.equal(label[:2], batch.label)
    assert torch.equal(label[2:], learner.network(batch.unlabelled).argmax(dim=1))


@pytest.mark.parametrize(("sampled", "pixels"), [(50, 50), (192, 192), (1000, 192), (None, 192)])
def test_the_memory_of_pairs_is_counted(sampled, pixels):
    """n^2 cosines of 4 bytes in each of four patches of 16 x 12; the rest grows with n."""
    learner, batch = embedding(sampled=sampled), with_unlabelled(noise_batch())
    learner.consistency_loss(batch, 0)
    counted = learner.noted["pair_memory_mb"] * 1e6
    linear = counted - 4 * 4 * pixels**2
    assert 0 < linear < 4 * pixels * 200  # vectors of 4 features and 3 classes, twice, and indices


def test_the_head_is_left_to_the_labels():
    learner, batch = embedding(), with_unlabelled(noise_batch())
    learner.consistency_loss(batch, 0).backward()
    assert all(p.grad is None for p in learner.network.head.parameters())
    assert all(p.grad is not None and p.grad.any() for p in learner.network.encoder.parameters())


def test_it_goes_on_from_the_labels_alone(tmp_path):
    alone = trained(recipe(Supervised, network=SMALL, spatial_dims=2), tiny_cohort(), tmp_path / "alone")[0]
    given = {"network": SMALL, "spatial_dims": 2, "share": 0.5, "rate": 1e-9}
    went_on, curves = trained(
        recipe(RandomFeatureEmbedding, **given), tiny_cohort(), tmp_path / "on", teachers=[alone]
    )
    assert curves.steps == 2  # of four
    for name, weight in alone.network.state_dict().items():
        torch.testing.assert_close(went_on.network.state_dict()[name], weight, atol=1e-6, rtol=0)


def test_two_groups_of_pixels_come_apart():
    """Gradient descent on the loss turns classes that lie in one heap to right angles."""
    torch.manual_seed(0)
    features = (torch.randn(30, 4) + 3).requires_grad_()
    label = torch.arange(30) % 3
    optimiser = torch.optim.Adam([features], lr=0.1)
    for _ in range(100):
        loss, _ = margin_loss(features, label, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.02
    unit = torch.nn.functional.normalize(features.detach(), dim=1)
    assert (unit @ unit.T)[label[:, None] == label].min() > 0.95
