"""Deep ensembles: members trained each for itself, and their mean."""

import torch
from toys import SMALL, noise_batch, task, tiny_cohort, trained

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.ensemble import DeepEnsemble

COHORT = tiny_cohort(2, 3)


def built(members: int) -> DeepEnsemble:
    torch.manual_seed(0)
    return DeepEnsemble(task(2, 3), network=SMALL, members=members).eval()


def test_an_ensemble_of_one_is_its_supervised_twin_bit_for_bit(tmp_path):
    targets = {
        "one": recipe(DeepEnsemble, network=SMALL, members=1),
        "twin": recipe(Supervised, network=SMALL, loss=recipe(CrossEntropy), reading="random"),
    }
    one, twin = (trained(target, COHORT, tmp_path / name)[0] for name, target in targets.items())
    for mine, its in zip(one.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, its)
    image = noise_batch().image
    assert torch.equal(one.eval().predict(image), twin.eval().predict(image))


def test_a_members_training_is_that_of_the_single_network_whoever_else_is_trained(tmp_path):
    """Without dropout, whose masks come from one generator."""
    network = recipe(UNet, features=(4, 8))
    three, alone = (
        trained(recipe(DeepEnsemble, network=network, members=members), COHORT, tmp_path / str(members))[0]
        for members in (3, 1)
    )
    first, other = three.network[0].state_dict(), alone.network[0].state_dict()
    assert all(torch.equal(first[name], other[name]) for name in first)


def test_a_phase_moves_its_own_member_only():
    ensemble = built(3)
    for number, phase in enumerate(ensemble.phases()):
        ensemble.zero_grad()
        sum(phase.losses(noise_batch(), 0).values()).backward()
        moved = [any(p.grad is not None for p in member.parameters()) for member in ensemble.network]
        assert moved == [other == number for other in range(3)]
        assert {id(p) for p in phase.parameters} == {id(p) for p in ensemble.network[number].parameters()}


def test_sample_i_is_that_of_member_i_mod_m():
    ensemble, image = built(3), noise_batch().image
    found = ensemble.sample(image, 7)
    for i, sample in enumerate(found):
        torch.testing.assert_close(sample, ensemble.network[i % 3](image).softmax(dim=1))
    assert torch.equal(ensemble.sample(image, 2), found[:2])


def test_the_prediction_is_the_mean_of_the_members():
    """Eq. (11): every member counts once, also where their number does not divide that of the draws."""
    ensemble, image = built(3), noise_batch().image
    mean = sum(member(image).softmax(dim=1) for member in ensemble.network) / 3
    torch.testing.assert_close(ensemble.predict(image), mean)
