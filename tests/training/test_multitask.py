"""Further tasks: what is there by hand, what reaches the features, and a weight of 0 that changes nothing."""

from math import log

import pytest
import torch
from toys import NAMES, SMALL, differing, noise_batch, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.vnet import VNet
from medseg_lab.training.fine_class import FineClass
from medseg_lab.training.multitask import presence_loss, present, strongest
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.training.task_decomposition import TaskDecomposition

THREE_LEVELS = recipe(UNet, features=(4, 6, 8))


def made(method=FineClass, dims: int = 2, **arguments):
    torch.manual_seed(0)
    return method(Task(1, NAMES[:3], dims), network=THREE_LEVELS, **arguments)


def test_a_class_is_there_if_one_voxel_of_the_cell_has_it():
    label = torch.zeros(1, 4, 5, dtype=torch.int64)
    label[0, 1, 1] = 1
    label[0, 3, 4] = 2  # in the last cell, cut to a width of 1
    label[0, 2, 0] = label[0, 3, 1] = IGNORE
    assert present(label, 3, (2, 2)).tolist() == [
        [[[1, 0, 0], [IGNORE, 0, 0]], [[0, 0, 0], [IGNORE, 0, 1]]],
    ]
    label[0, 2, 1] = 2  # found beside what is unknown
    assert present(label, 3, (2, 2))[0, 1, 1].tolist() == [1, 0, 1]
    assert present(label, 4).flatten().tolist() == [1, 1, IGNORE]
    flat = label[..., None].expand(1, 4, 5, 3)
    assert torch.equal(present(flat, 3, (2, 2, 3))[..., 0], present(label, 3, (2, 2)))


def test_presence_loss_by_hand_and_unknown_cells_count_for_nothing():
    there = torch.tensor([[[1, 0, IGNORE]]])
    logits = torch.tensor([[[log(3.0), log(3.0), 50.0]]])  # p = 3/4
    assert presence_loss(logits, there).item() == pytest.approx((-log(3 / 4) - log(1 / 4)) / 2)
    assert presence_loss(logits, torch.full_like(there, IGNORE)).item() == 0


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("network", [THREE_LEVELS, recipe(UNet, features=(4, 8))])
def test_cells_are_the_steps_of_the_deepest_features(dims, network):
    learner = FineClass(Task(1, NAMES[:3], dims), network=network)
    batch = noise_batch((18, 13, 9)[:dims])
    there = present(batch.label, 3, learner.cell())
    assert learner.classes(batch.image).shape == there.shape


def test_the_gradients_share_is_that_of_two_readers():
    learner = made()
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (3 * learner.measured("tasks", x)).sum().backward()
    (9 * learner.measured("pixels", x)).sum().backward()
    assert learner.share("tasks", "pixels").item() == pytest.approx(1 / 4)
    assert torch.equal(x.grad, torch.tensor([12.0, 12.0]))
    (0 * learner.measured("tasks", x)).sum().backward()
    (0 * learner.measured("pixels", x)).sum().backward()
    assert learner.share("tasks", "pixels").item() == 0


@pytest.mark.parametrize("method", [FineClass, TaskDecomposition])
def test_what_a_step_notes_is_what_autograd_says(method):
    apart = {"sync_weight": 0.0} if method is TaskDecomposition else {}  # the penalty has a hand in both
    learner, batch = made(method, **apart), noise_batch()
    terms = learner.losses(batch, 0)
    sum(terms.values()).backward()
    learner.after_step(0)
    encode, kept = learner.network.encode, []
    learner.network.encode = lambda image: kept.append(encode(image)) or kept[-1]
    again = learner.losses(batch, 0)
    alone = {
        name: torch.autograd.grad(term, kept[0][-1], retain_graph=True)[0] for name, term in again.items()
    }
    tasks = sum(g for name, g in alone.items() if name in ("classes", "scene")).norm()
    pixels = alone["dice_ce"].norm()
    assert 0 < learner.noted["gradient_share"] < 1
    torch.testing.assert_close(learner.noted["gradient_share"], tasks / (tasks + pixels))


@pytest.mark.parametrize(
    "weights",
    [
        (FineClass, {"weight": 0.0}),
        (TaskDecomposition, {"class_weight": 0.0, "scene_weight": 0.0, "sync_weight": 0.0}),
    ],
)
def test_without_weight_the_network_is_that_of_its_supervised_twin(weights, tmp_path):
    method, none = weights
    twin, _ = trained(recipe(Supervised, network=SMALL), tiny_cohort(2), tmp_path / "twin")
    same, curves = trained(recipe(method, network=SMALL, **none), tiny_cohort(2), tmp_path / "same")
    other, noted = trained(recipe(method, network=SMALL), tiny_cohort(2), tmp_path / "other")
    assert differing(same.network, twin.network) == []
    assert differing(other.network, twin.network)
    assert curves.activity["gradient_share"] == 0 < noted.activity["gradient_share"]


def test_after_an_instance_norm_a_mean_says_little_of_what_is_there():
    """A square somewhere or nowhere: the means of normalised features hardly differ, their maxima do."""
    torch.manual_seed(0)
    network = UNet(1, 2, features=(8, 16))
    image = 0.1 * torch.randn(2, 1, 64, 64)
    image[1, :, 8:14, 8:14] += 3
    with torch.no_grad():
        nothing, something = network.encode(image)[-1]
    mean = (nothing.mean((1, 2)) - something.mean((1, 2))).abs().mean()
    most = (strongest(nothing[None]) - strongest(something[None])).abs().mean()
    assert most > 5 * mean


def test_a_network_that_cannot_be_taken_apart_is_refused():
    with pytest.raises(ValueError, match=r"expected an encoder and decoder .*, got VNet"):
        FineClass(Task(1, NAMES[:2], 3), network=recipe(VNet))
