"""Weight maps by hand and by brute force, and cross entropy that takes them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from toys import noise_batch, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.data.instances import instances
from medseg_lab.data.task import Task
from medseg_lab.losses.border import BorderCrossEntropy
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.distance import DistanceCrossEntropy
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.recipe import recipe
from medseg_lab.training.step_memory import step_memory
from medseg_lab.training.supervised import Supervised

BOTH = pytest.mark.parametrize("loss", [BorderCrossEntropy(), DistanceCrossEntropy()])


def row(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.uint8)


def test_the_border_weight_is_that_of_the_distances_to_two_objects():
    """Distances (d1, d2) of the background of 1 0 0 0 1 0 0: (1, 3), (2, 2), (3, 1), then (1, 5), (2, 6)."""
    found = BorderCrossEntropy().weight_map(row(1, 0, 0, 0, 1, 0, 0), None)
    gap = np.exp(-16 / 50)
    wanted = [
        1,
        1 + 10 * gap,
        1 + 10 * gap,
        1 + 10 * gap,
        1,
        1 + 10 * np.exp(-36 / 50),
        1 + 10 * np.exp(-64 / 50),
    ]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
    assert found.dtype == np.float32


def test_one_object_has_no_gap_and_parts_of_two_classes_are_two_objects():
    border = BorderCrossEntropy(w0=4, sigma=1)
    assert (border.weight_map(row(0, 1, 1, 1, 0, 0), None) == 1).all()
    np.testing.assert_allclose(border.weight_map(row(0, 1, 2, 0), None)[0, 0], 1 + 4 * np.exp(-9 / 2))


def test_classes_have_the_weights_that_are_given():
    border = BorderCrossEntropy(w0=0, class_weights=[1, 5, 2])
    assert border.weight_map(row(0, 1, 2, IGNORE), None).tolist() == [[1, 5, 2, 1]]
    with pytest.raises(ValueError, match="class_weights: expected a weight for each class up to 3"):
        border.weight_map(row(0, 3), None)


def test_the_distance_weight_falls_on_both_sides_of_a_border():
    """Distances of 1 1 1 0 0 to the other class: 3, 2, 1, 1, 2. What is left open is no border."""
    distance = DistanceCrossEntropy(w0=3, sigma=2)
    wanted = 1 + 3 * np.exp(-np.array([9, 4, 1, 1, 4]) / 8)
    np.testing.assert_allclose(distance.weight_map(row(1, 1, 1, 0, 0), None)[0], wanted, rtol=1e-6)
    beside_open = distance.weight_map(row(1, IGNORE, 1, 1, 0), None)[0]
    np.testing.assert_allclose(
        beside_open, 1 + 3 * np.array([np.exp(-2), 0, np.exp(-0.5), *[np.exp(-1 / 8)] * 2])
    )
    assert (distance.weight_map(np.zeros((4, 4), np.uint8), None) == 1).all()


@pytest.mark.parametrize(("shape", "spacing"), [((24, 30), None), ((11, 12, 9), (2.0, 1.0, 0.5))])
def test_maps_are_those_of_all_distances_between_all_voxels(shape, spacing):
    """Objects in their boxes, and what is out of reach, change nothing that float32 can hold."""
    rng = np.random.default_rng(0)
    label = (rng.random(shape) > 0.97) * rng.integers(1, 3, shape)
    edges = np.ones(len(shape)) if spacing is None else np.array(spacing) / 0.5
    places = np.argwhere(np.ones(shape)) * edges
    numbers, classes = instances(label).ravel(), label.ravel()
    assert numbers.max() > 8
    each = [cdist(places, places[numbers == n]).min(1) for n in range(1, numbers.max() + 1)]
    two = np.sort(each, axis=0)[:2].sum(0)
    wanted = np.where(classes == 0, 1 + 10 * np.exp(-(two**2) / (2 * 1.5**2)), 1)
    found = BorderCrossEntropy(sigma=1.5).weight_map(label, spacing)
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-6)
    near = np.min(
        [np.where(classes != k, cdist(places, places[classes == k]).min(1), np.inf) for k in range(3)], axis=0
    )
    found = DistanceCrossEntropy().weight_map(label, spacing)
    np.testing.assert_allclose(found.ravel(), 1 + 5 * np.exp(-(near**2) / 8), rtol=1e-6)


def test_objects_are_counted_class_by_class_through_faces():
    label = np.array([[1, 0, 2], [1, 2, 0], [0, IGNORE, 1]])
    assert instances(label).tolist() == [[1, 0, 3], [1, 4, 0], [0, 0, 2]]


@BOTH
def test_a_voxel_counts_as_much_as_its_weight(loss):
    """Of two voxels with p = 1/2 and p = 1/4 of their class, weights 3 and 1: (3 ln 2 + ln 4) / 2."""
    logits = torch.tensor([[[0.0, 0.0], [0.0, np.log(3)]]], requires_grad=True)
    label, weight = torch.tensor([[1, 0]]), torch.tensor([[3.0, 1.0]])
    found = loss(logits, label, weight)
    assert found.item() == pytest.approx((3 * np.log(2) + np.log(4)) / 2)
    found.backward()
    torch.testing.assert_close(logits.grad[0, 1], torch.tensor([-3 * 0.5 / 2, 0.75 / 2]).double())


@BOTH
def test_with_weights_of_1_it_is_cross_entropy_to_the_bit(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 9, 8, generator=generator, requires_grad=True)
    label = torch.randint(3, (2, 9, 8), generator=generator)
    label[0, :4] = IGNORE
    values = [loss(logits, label, torch.ones(2, 9, 8)), CrossEntropy()(logits, label)]
    assert torch.equal(*values)
    assert torch.equal(*(torch.autograd.grad(value, logits)[0] for value in values))


@BOTH
def test_without_weights_or_with_others_it_is_refused(loss):
    logits, label = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64)
    with pytest.raises(
        ValueError, match=f"{type(loss).__name__}: expected a weight for each voxel, got none"
    ):
        loss(logits, label)
    with pytest.raises(ValueError, match=r"weight: expected the label's shape \(1, 4, 4\), got \(4, 4\)"):
        loss(logits, label, torch.ones(4, 4))


@pytest.mark.parametrize("wrong", [{"w0": -1.0}, {"sigma": 0.0}])
@pytest.mark.parametrize("of", [BorderCrossEntropy, DistanceCrossEntropy])
def test_settings_that_mean_nothing_are_refused(of, wrong):
    with pytest.raises(ValueError, match="weights: expected"):
        of(**wrong)


@BOTH
@pytest.mark.parametrize("network", [recipe(UNet, features=(4, 8)), recipe(UNetPlusPlus, features=(4, 8, 8))])
def test_supervised_gives_each_head_the_weights_and_notes_what_they_add(loss, network):
    method = recipe(Supervised, network=network, loss=recipe(type(loss)))
    learner, drawn = method.build(Task(1, ("background", "a", "b"), 2)), noise_batch()
    weight = torch.rand(drawn.label.shape) + 1
    (found,) = learner.losses(drawn._replace(weight=weight), 0).values()
    heads = (
        learner.network.heads(drawn.image)
        if hasattr(learner.network, "heads")
        else [learner.network(drawn.image)]
    )
    wanted = torch.stack([loss(logits, drawn.label, weight) for logits in heads]).mean()
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(learner.noted, {"added_weight": weight.mean() - 1})
    assert step_memory(learner, (2, 1, 16, 16)) > 0


def test_it_trains_and_other_weights_are_another_training(tmp_path):
    cohort = tiny_cohort(3, 3)
    runs = []
    for w0 in (0.0, 5.0, 50.0):
        method = recipe(
            Supervised,
            network=recipe(UNet, features=(4, 8)),
            loss=recipe(DistanceCrossEntropy, w0=w0),
            spatial_dims=2,
        )
        runs.append(trained(method, cohort, tmp_path / str(w0))[1].activity["added_weight"])
    assert runs[0] == 0
    assert runs[2] == pytest.approx(10 * runs[1], rel=1e-4)
    assert all(one < other for one, other in pairwise(runs))
