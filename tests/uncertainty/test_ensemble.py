"""Deep ensembles: members trained each for itself, and their mean."""

from functools import partial

import pytest
import torch

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.ensemble import DeepEnsemble

TASK = Task(1, ("background", "a", "b"), 2)
NETWORK = recipe(UNet, features=(2, 4))


def built(members: int) -> DeepEnsemble:
    torch.manual_seed(0)
    return DeepEnsemble(TASK, NETWORK, members)


class Noise:
    """Batches of noise with labels that follow from it."""

    labelled_shapes = unlabelled_shapes = ()

    def batch(self, step: int) -> Batch:
        image = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        return Batch(image, (image[:, 0] > 0).long() + (image[:, 0] > 1))


def trained(learner, folder, steps: int = 4):
    budget = Budget(steps=steps, voxels=128, patch=8)
    train(learner, Noise(), budget, 0, make_fabric(), Checkpoints(folder, 1e9))
    return learner


def test_an_ensemble_of_one_is_its_supervised_twin_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    twin = Supervised(TASK, NETWORK, loss="cross_entropy", learning_rate=4e-3)
    one = trained(built(1), tmp_path / "one")
    trained(twin, tmp_path / "twin")
    for a, b in zip(one.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
    image = torch.randn(2, 1, 8, 8)
    assert torch.equal(one.predict(image), twin.predict(image))


def test_a_members_training_is_that_of_the_single_network_whoever_else_is_trained(tmp_path):
    first, alone = trained(built(3), tmp_path / "three"), trained(built(1), tmp_path / "one")
    for a, b in zip(first.network[0].parameters(), alone.network[0].parameters(), strict=True):
        assert torch.equal(a, b)


def test_members_begin_and_end_apart(tmp_path):
    ensemble = built(2)
    apart = [not torch.equal(a, b) for a, b in _weights(ensemble)]
    assert any(apart)
    trained(ensemble, tmp_path)
    assert [not torch.equal(a, b) for a, b in _weights(ensemble)] == [True] * len(apart)


def _weights(ensemble: DeepEnsemble):
    return zip(*(member.parameters() for member in ensemble.network), strict=True)


def test_a_phase_moves_its_own_member_only():
    ensemble = built(3)
    batch = Noise().batch(0)
    for number, phase in enumerate(ensemble.phases()):
        ensemble.zero_grad()
        sum(phase.losses(batch, 0).values()).backward()
        moved = [any(p.grad is not None for p in member.parameters()) for member in ensemble.network]
        assert moved == [other == number for other in range(3)]
        assert {id(p) for p in phase.parameters} == {id(p) for p in ensemble.network[number].parameters()}


def test_sample_i_is_that_of_member_i_mod_m():
    ensemble, image = built(3).eval(), torch.randn(2, 1, 8, 8)
    found = ensemble.sample(image, 7)
    assert found.shape == (7, 2, 3, 8, 8)
    for i, sample in enumerate(found):
        torch.testing.assert_close(sample, ensemble.network[i % 3](image).softmax(dim=1))
    assert len(ensemble.sample(image, 2)) == 2


def test_the_prediction_is_the_mean_of_the_members():
    """Eq. (11): every member counts once, also where their number does not divide that of the draws."""
    ensemble, image = built(3).eval(), torch.randn(2, 1, 8, 8)
    mean = sum(member(image).softmax(dim=1) for member in ensemble.network) / 3
    torch.testing.assert_close(ensemble.predict(image), mean)


def test_an_ensemble_without_members_is_refused():
    with pytest.raises(ValueError, match="members: got 0, wanted 1 or more"):
        partial(DeepEnsemble, TASK, NETWORK, members=0)()
