"""The mathematics of compact features, beyond what `tests/contracts` proves of each configuration."""

from math import cos, pi, sqrt

import pytest
import torch
from toys import SMALL, differing, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.outlook.compact_features import CompactFeatures, compactness, read_by_head
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

EAST, NORTH, NORTH_EAST = [2.0, 0.0], [0.0, 0.5], [3.0, 3.0]
LABEL = torch.tensor([0, 0, 1, IGNORE])
HALF = 1 / sqrt(2)


def compact(**arguments) -> CompactFeatures:
    return CompactFeatures(task(2, 3), network=SMALL, spatial_dims=2, **arguments)


def test_four_pixels_by_hand():
    """Class 0 points east and north, its prototype north-east; class 1 points east; one pixel is unknown."""
    features = torch.tensor([EAST, NORTH, EAST, NORTH_EAST])
    found = compactness(features, LABEL, 0.0)
    assert found.within.item() == pytest.approx((HALF + 1) / 2)  # each class counts alike
    assert found.between.item() == pytest.approx(HALF)
    assert found.pull.item() == pytest.approx(1 - (HALF + 1) / 2)
    assert found.push.item() == pytest.approx(HALF)
    assert compactness(features, LABEL, 0.5).push.item() == pytest.approx(HALF - 0.5)
    assert compactness(features, LABEL, 0.75).push.item() == 0  # far enough apart


def test_of_three_classes_each_pair_counts():
    """At 0, 60 and 180 degrees: cosines of 1/2, -1 and -1/2, of which one is pushed."""
    angles = torch.tensor([0.0, pi / 3, pi])
    features = torch.stack((angles.cos(), angles.sin()), dim=1)
    found = compactness(features, torch.arange(3), 0.0)
    assert found.pull.item() == pytest.approx(0, abs=1e-6)
    assert found.between.item() == pytest.approx(-1 / 3)
    assert found.push.item() == pytest.approx(cos(pi / 3) / 3)


def test_gradients_narrow_a_class_and_part_the_classes():
    features = torch.tensor([EAST, NORTH_EAST, NORTH], requires_grad=True)
    (toward,) = torch.autograd.grad(compactness(features, torch.tensor([0, 0, 1]), 0.0).pull, features)
    assert toward[0, 1] < 0  # down the gradient the first turns to the one that is like it
    assert toward[1, 1] > 0
    assert not toward[2].any()
    (away,) = torch.autograd.grad(compactness(features, torch.tensor([0, 0, 1]), 0.0).push, features)
    assert away[2, 0] > 0  # and the third turns away from both
    assert away[0, 1] > 0


@pytest.mark.parametrize("label", [[1, 1, 1], [IGNORE, IGNORE, 0], [IGNORE] * 3])
def test_one_class_alone_is_pushed_by_nothing_and_has_a_gradient(label):
    features = torch.tensor([EAST, EAST, [0.0, 0.0]], requires_grad=True)
    found = compactness(features, torch.tensor(label), 0.0)
    assert found.push.item() == found.between.item() == 0
    (found.pull + found.push).backward()
    assert features.grad.isfinite().all()


def test_the_term_is_weighted_pull_and_push_of_the_sample():
    learner, batch = compact(weight=0.5, margin=0.2, sampled=1000).eval(), noise_batch()
    found = learner.losses(batch, 0)["compactness"]
    features = learner.network.decode(learner.network.encode(batch.image), (16, 12))
    wanted = compactness(features.movedim(1, -1).flatten(0, 2), batch.label.flatten(), 0.2)
    torch.testing.assert_close(found, 0.5 * (wanted.pull + wanted.push))
    assert wanted.push > 0
    torch.testing.assert_close(learner.noted["between"], wanted.between.detach())


def test_the_control_is_the_cross_entropy_of_the_same_pixels_and_each_class_counts_alike():
    """Three of class 0, one of class 2 and one unknown: the mean of two means."""
    learner, pixels = compact(geometry=False), torch.randn(5, 4)
    label = torch.tensor([0, 0, 0, 2, IGNORE])
    head = learner.network.head
    log_p = (pixels @ head.weight.flatten(1).T + head.bias).log_softmax(dim=1)
    wanted = -(log_p[:3, 0].mean() + log_p[3, 2]) / 2
    torch.testing.assert_close(learner.balanced_loss(pixels, label), wanted)
    assert learner.balanced_loss(pixels, torch.full((5,), IGNORE)) == 0
    found = learner.losses(noise_batch(), 0)
    assert set(found) == {"dice_ce", "balanced"}
    assert not learner.noted


def test_the_sample_is_of_known_pixels_with_their_own_labels():
    """Each feature is the number of the pixel's class, in a map that is larger than the label by padding."""
    label = torch.randint(3, (2, 9, 7), generator=torch.Generator().manual_seed(0))
    label[:, :3] = IGNORE
    features = torch.full((2, 1, 10, 8), -1.0)
    features[:, 0, :9, :7] = label.float()
    pixels, drawn = compact(sampled=30).drawn(features, label)
    assert torch.equal(pixels[:, 0], drawn.float())
    assert len(drawn) == 60
    assert (drawn != IGNORE).all()


@pytest.mark.parametrize("network", [UNet, UNetPlusPlus])
def test_features_are_those_of_the_supervised_forward_pass(network):
    """Of a patch that the network has to pad, with deep supervision or without."""
    torch.manual_seed(0)
    learner = CompactFeatures(task(2, 3), network=recipe(network, features=(4, 8)), spatial_dims=2).eval()
    batch, seen = noise_batch((15, 11)), []
    draw = learner.drawn
    learner.drawn = lambda features, label: seen.append(features) or draw(features, label)
    with read_by_head(learner.network) as read:
        losses = learner.losses(batch, 0)
    wanted = learner.network.decode(learner.network.encode(batch.image), (15, 11))
    assert len(read) == 1  # one pass through the network
    torch.testing.assert_close(seen[0][..., :15, :11], wanted)
    assert losses["dice_ce"] == Supervised.losses(learner, batch, 0)["dice_ce"]
    learner.network(batch.image)
    assert len(read) == 1  # the hook is gone


def test_the_last_layer_is_left_to_the_labels():
    learner, batch = compact(), noise_batch()
    learner.losses(batch, 0)["compactness"].backward()
    assert all(p.grad is None for p in learner.network.head.parameters())
    assert all(p.grad is not None and p.grad.any() for p in learner.network.encoder.parameters())


def test_without_weight_it_moves_as_its_supervised_twin(tmp_path):
    wanted, curves = trained(
        recipe(Supervised, network=SMALL, spatial_dims=2), tiny_cohort(), tmp_path / "twin"
    )
    for weight in (0.0, 1.0):
        how = recipe(CompactFeatures, network=SMALL, spatial_dims=2, weight=weight)
        found, its = trained(how, tiny_cohort(), tmp_path / str(weight))
        assert (differing(found.network, wanted.network) == []) == (weight == 0)
        assert its.rows[0]["dice_ce"] == curves.rows[0]["dice_ce"]
        assert ("compactness" in its.rows[0]) == (weight > 0)


def test_two_classes_come_apart():
    """Gradient descent on the term makes narrow classes at right angles of one heap."""
    torch.manual_seed(0)
    features = (torch.randn(30, 4) + 3).requires_grad_()
    label = torch.arange(30) % 3
    optimiser = torch.optim.Adam([features], lr=0.1)
    for _ in range(100):
        found = compactness(features, label, 0.0)
        optimiser.zero_grad()
        (found.pull + found.push).backward()
        optimiser.step()
    assert found.within > 0.98
    assert found.between < 0.02
