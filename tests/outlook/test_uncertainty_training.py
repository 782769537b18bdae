"""The mathematics of uncertainty in training, beyond what `tests/contracts` proves of each configuration."""

from math import log

import pytest
import torch
from toys import SMALL, differing, noise_batch, task, tiny_cohort, trained

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.checks import known
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.entropy import entropy
from medseg_lab.outlook import uncertainty_training as module
from medseg_lab.outlook.uncertainty_training import (
    UncertaintyTraining,
    errors_found,
    foretold,
    shuffled,
    weighting,
    weights,
)
from medseg_lab.rounds.self_training import SelfTraining
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout

FOUR = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]])
"""Three voxels of which a network is certain, and one of which it knows nothing."""
KNOWN = torch.ones(1, 2, 2, dtype=torch.bool)


def learner_of(**arguments) -> UncertaintyTraining:
    return UncertaintyTraining(task(2, 3), network=SMALL, spatial_dims=2, **arguments)


def test_weights_of_four_voxels_by_hand():
    """e^gamma = 4: the weights are 1, 1, 1 and 4 over their mean, 7/4; and for -gamma 1, 1, 1 and 1/4."""
    found = weights(FOUR, KNOWN, log(4))
    torch.testing.assert_close(found, torch.tensor([[[4.0, 4.0], [4.0, 16.0]]]) / 7)
    found = weights(FOUR, KNOWN, -log(4))
    torch.testing.assert_close(found, torch.tensor([[[16.0, 16.0], [16.0, 4.0]]]) / 13)
    assert torch.equal(weights(FOUR, KNOWN, 0.0), torch.ones(1, 2, 2))


def test_the_mean_weight_of_the_known_voxels_of_each_patch_is_1():
    torch.manual_seed(0)
    uncertainty, is_known = torch.rand(3, 9, 7), torch.rand(3, 9, 7) > 0.4
    is_known[2] = False
    found = weights(uncertainty * torch.tensor([1.0, 0.1, 1.0])[:, None, None], is_known, 2.0)
    for patch in (0, 1):
        assert found[patch][is_known[patch]].mean().item() == pytest.approx(1, abs=1e-6)
    assert (found[~is_known] == 1).all()


def test_shuffling_keeps_the_set_of_values_of_each_patch_and_their_unknown_places():
    torch.manual_seed(0)
    values, is_known = torch.arange(2 * 60.0).view(2, 6, 10), torch.rand(2, 6, 10) > 0.3
    found = shuffled(values, is_known)
    for patch in (0, 1):
        before, after = values[patch][is_known[patch]], found[patch][is_known[patch]]
        assert torch.equal(after.sort().values, before)
        assert (after != before).float().mean() > 0.8
        assert torch.equal(found[patch][~is_known[patch]].sort().values, values[patch][~is_known[patch]])


def test_what_weights_change_makes_the_cross_entropy_a_weighted_one():
    """By hand, two voxels: p of the label 1/2 and 1/4, weights 1/2 and 3/2, and one that nobody annotated."""
    logits = torch.tensor([[[0.0, -log(3), 5.0]], [[0.0, 0.0, 0.0]]]).transpose(0, 1).view(1, 2, 1, 3)
    label, weight = torch.tensor([[[0, 0, IGNORE]]]), torch.tensor([[[0.5, 1.5, 1.0]]])
    plain = CrossEntropy()(logits, label)
    assert plain.item() == pytest.approx((log(2) + log(4)) / 2)
    found = plain + weighting(logits, label, weight)
    assert found.item() == pytest.approx((0.5 * log(2) + 1.5 * log(4)) / 2)


def test_uncertainty_is_the_entropy_of_the_mean_of_passes_under_dropout():
    learner, image = learner_of(passes=3).train(), noise_batch().image
    torch.manual_seed(5)
    found = foretold(learner, image, 3)
    assert learner.network.training
    torch.manual_seed(5)
    dropped = MCDropout(learner=learner.eval())
    with torch.no_grad():
        torch.testing.assert_close(found, dropped.sample(image, 3).mean(dim=0))
    assert not found.requires_grad
    assert entropy(found).max() <= log(3)


def test_errors_among_the_most_uncertain_tenth():
    """Of 20 voxels the second is wrong and uncertain, the last is wrong and certain; one is unknown."""
    label = torch.zeros(1, 1, 21, dtype=torch.int64)
    label[..., -1] = IGNORE
    said = torch.zeros(1, 2, 1, 21)
    said[:, 0] = 1
    said[0, :, 0, [1, 19, 20]] = torch.tensor([[0.4], [0.6]])
    uncertainty = torch.linspace(1, 0, 21).view(1, 1, 21)
    assert errors_found(uncertainty, said, label)["errors_found"] == 0.5
    assert errors_found(uncertainty, said.flip(1), label)["errors_found"] == pytest.approx(1 / 18)
    assert errors_found(uncertainty, said, said.argmax(dim=1)) == {}


def test_the_control_has_the_same_weights_in_other_places(monkeypatch):
    batch, seen, noted = noise_batch(), [], []
    torch.manual_seed(0)
    said = torch.randn(2, 3, 16, 12).softmax(dim=1)
    monkeypatch.setattr(module, "weighting", lambda logits, label, w: seen.append(w) or logits.mean())
    monkeypatch.setattr(module, "foretold", lambda learner, image, passes: said)
    for mixed in (False, True):
        learner = learner_of(shuffled=mixed)
        learner.losses(batch, 0)
        noted.append(learner.noted)
    plain, moved = seen
    assert torch.equal(plain, weights(entropy(said) / log(3), known(batch.label), 2.0))
    torch.testing.assert_close(moved.flatten(1).sort().values, plain.flatten(1).sort().values)
    assert (moved != plain).float().mean() > 0.9
    torch.testing.assert_close(noted[0]["weight_spread"], noted[1]["weight_spread"])
    assert noted[0]["errors_found"] != noted[1]["errors_found"]


def test_what_it_notes_is_of_known_voxels_and_of_uncertainty_whatever_gamma_makes_of_it(monkeypatch):
    batch, noted = noise_batch(), []
    label = batch.label.clone()
    label[:, :8] = IGNORE
    torch.manual_seed(0)
    said = torch.randn(2, 3, 16, 12).softmax(dim=1)
    monkeypatch.setattr(module, "foretold", lambda learner, image, passes: said)
    for gamma in (2.0, -2.0):
        learner = learner_of(gamma=gamma)
        learner.losses(batch._replace(label=label), 0)
        noted.append(learner.noted)
        w = weights(entropy(said) / log(3), known(label), gamma)
        torch.testing.assert_close(learner.noted["weight_spread"], w[:, 8:].std())
    assert noted[0]["errors_found"] == noted[1]["errors_found"]
    assert noted[0]["errors_found"] == errors_found(entropy(said), said, label)["errors_found"]


def test_at_gamma_0_it_is_training_on_bit_for_bit(tmp_path):
    """The control of section 3.4, which a round of self-training without pseudo-labels is."""
    alone = trained(recipe(Supervised, network=SMALL, spatial_dims=2), tiny_cohort(), tmp_path / "alone")[0]
    given = {"network": SMALL, "spatial_dims": 2, "share": 0.5}
    control = recipe(SelfTraining, rounds=1, weight=0.0, **given)
    wanted, curves = trained(control, tiny_cohort(), tmp_path / "control", teachers=[alone])
    for gamma in (0.0, 2.0):
        how = recipe(UncertaintyTraining, gamma=gamma, **given)
        found, its = trained(how, tiny_cohort(), tmp_path / f"gamma {gamma}", teachers=[alone])
        assert its.steps == curves.steps == 2
        assert (differing(found.network, wanted.network) == []) == (gamma == 0)
        assert its.rows[0]["dice_ce"] == curves.rows[0]["dice_ce"]
        assert ("noted.weight_spread" in its.rows[0]) == (gamma != 0)


def test_it_rests_on_the_labels_alone_with_the_same_labels():
    how = recipe(UncertaintyTraining, network=SMALL, spatial_dims=2, reading="spoiled", gamma=-2.0)
    assert how.bases == (recipe(Supervised, network=SMALL, spatial_dims=2, reading="spoiled"),)
