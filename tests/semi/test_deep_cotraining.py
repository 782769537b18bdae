"""Deep co-training: who learns from what, by hand."""

from math import exp, log

import pytest
import torch
from scipy.special import expit as sigmoid
from scipy.special import rel_entr
from torch import Tensor
from toys import SMALL, differing, noise_batch, one_weight, pixels, task, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.losses.weighted import WeightedCrossEntropy
from medseg_lab.semi.deep_cotraining import DeepCoTraining
from medseg_lab.semi.deep_cotraining import differing as disagreeing
from medseg_lab.semi.other_start import OtherStart
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised


def two_weights(first: float, second: float, **arguments) -> DeepCoTraining:
    """Foregrounds sigmoid(w x) with one weight each."""
    learner = one_weight(DeepCoTraining, first, **arguments)
    learner.second.weight.data.fill_(second)
    learner.prepare(20, [])
    return learner


def pair(labelled: float, unlabelled: float) -> Batch:
    """A pixel of foreground, and one without a label."""
    image, other = (torch.full((1, 1, 1, 1), value) for value in (labelled, unlabelled))
    return Batch(image, torch.ones(1, 1, 1, dtype=torch.int64), other)


def divergence(p: float, q: float) -> float:
    """KL of two foregrounds."""
    return rel_entr([p, 1 - p], [q, 1 - q]).sum()


def test_each_network_learns_the_labels_with_their_weights():
    learner = two_weights(1.0, -0.5, loss=recipe(WeightedCrossEntropy))
    found = learner.supervised(pair(2.0, 0.8)._replace(weight=torch.full((1, 1, 1), 3.0)), 0)
    assert [term.item() for term in found.values()] == pytest.approx(
        [-3 * log(sigmoid(2.0)), -3 * log(sigmoid(-1.0))]
    )


def test_the_agreement_is_the_divergence_of_each_from_the_mean():
    learner = two_weights(1.0, -0.5)
    found = learner.consistency_loss(pixels(2.0), 0)
    p, q = sigmoid(2.0), sigmoid(-1.0)
    assert found.item() == pytest.approx((divergence(p, (p + q) / 2) + divergence(q, (p + q) / 2)) / 2)
    assert learner.noted["disagreement"] == 1  # the first finds foreground, the second does not


def test_each_network_must_say_of_the_others_example_what_the_other_says_of_the_image():
    # Weights 1 and 2. Labelled x = 0.3, foreground: FGSM makes it 0.2 for both. Unlabelled: r is +-0.1.
    learner = two_weights(1.0, 2.0, epsilon=0.1)
    torch.manual_seed(0)
    with torch.random.fork_rng():
        one, other = (0.8 + 0.1 * torch.randn(1).sign().item() for _ in range(2))
    found = learner.adversarial_loss(pair(0.3, 0.8))
    of_second = divergence(sigmoid(0.3), sigmoid(2 * 0.2)) + divergence(sigmoid(0.8), sigmoid(2 * one))
    of_first = divergence(sigmoid(2 * 0.3), sigmoid(0.2)) + divergence(sigmoid(2 * 0.8), sigmoid(other))
    assert found.item() == pytest.approx((of_second + of_first) / 4, rel=1e-4)
    assert learner.noted["misled"] == 0


def test_what_misleads_is_counted_where_a_class_changes():
    # the class of 0.05 changes where FGSM takes it to -0.15; that of 5 does not
    learner = two_weights(1.0, 1.0, epsilon=0.2)
    learner.adversarial_loss(pair(0.05, 5.0))
    assert learner.noted["misled"] == 0.5


def test_dropout_misleads_nobody():
    learner, batch = DeepCoTraining(task(2, 3), network=SMALL, epsilon=1e-9).train(), noise_batch()
    learner.adversarial_loss(batch._replace(unlabelled=batch.image))
    assert learner.noted["misled"] == 0


def test_the_terms_are_weighted_and_come_in():
    learner = two_weights(1.0, -0.5, weight=0.5, adversarial=0.1, ramp=0.4)
    batch = pixels(2.0, -1.0)
    torch.manual_seed(0)
    found = learner.losses(batch, 4)
    assert list(found) == ["dice_ce", "second", "agreement", "adversarial"]
    share = exp(-5 * (1 - 4 / 8) ** 2)
    torch.manual_seed(0)
    wanted = 0.5 * share * learner.consistency_loss(batch, 4), 0.05 * share * learner.adversarial_loss(batch)
    torch.testing.assert_close((found["agreement"], found["adversarial"]), wanted)
    assert "adversarial" not in two_weights(1.0, -0.5, adversarial=0.0).losses(batch, 4)


def test_the_other_network_and_not_the_one_that_was_attacked_is_moved_by_an_example(monkeypatch):
    learner, batch = two_weights(1.0, 2.0), pixels(0.8)
    made = [learner.misleading(network, batch) for network in (learner.network, learner.second)]
    # nothing but the second network's answer to the first one's examples
    monkeypatch.setattr(learner, "misleading", lambda network, batch: made[network is learner.second])
    learner.adversarial_loss(batch).backward()
    assert all(w.grad.abs() > 0 for w in learner.parameters())
    assert not any(tensor.requires_grad for pair in made for tensor in pair)


def test_voxels_that_neither_marks_do_not_count():
    def scores(*classes: int) -> Tensor:
        return torch.eye(3)[torch.tensor(classes)].T[None]

    assert disagreeing(scores(0, 0, 1, 2), scores(0, 1, 1, 1)) == pytest.approx(2 / 3)
    assert disagreeing(scores(0), scores(0)) == 0


def test_it_goes_on_from_two_networks_that_learned_from_the_labels(tmp_path):
    first, second = DeepCoTraining.teachers({"network": SMALL, "epsilon": 0.1})
    assert (first, second) == (recipe(Supervised, network=SMALL), recipe(OtherStart, network=SMALL))
    teachers = [trained(one, tiny_cohort(2), tmp_path / str(n))[0] for n, one in enumerate((first, second))]
    assert differing(teachers[0].network, teachers[1].network)
    learner = DeepCoTraining(task(2), network=SMALL)
    learner.learn_from(tiny_cohort(2), teachers)
    assert (
        differing(learner.network, teachers[0].network)
        == differing(learner.second, teachers[1].network)
        == []
    )
    assert learner.steps_within(600) == 100


def test_without_weight_it_is_the_supervised_twin_with_nothing_before_it():
    assert DeepCoTraining.teachers({"network": SMALL, "weight": 0.0}) == []
    learner = DeepCoTraining(task(2), network=SMALL, weight=0.0)
    assert learner.steps_within(600) == 600
    image = torch.randn(1, 1, 8, 8)
    assert torch.equal(learner.eval().predict(image), Supervised.predict(learner, image))


def test_the_mean_of_both_predicts():
    learner = two_weights(1.0, -0.5)
    found = learner.predict(torch.full((1, 1, 1, 1), 2.0))
    assert found[0, 1].item() == pytest.approx((sigmoid(2.0) + sigmoid(-1.0)) / 2)


def test_in_bfloat16_the_examples_still_teach(tmp_path):
    batch, learner = noise_batch(), DeepCoTraining(task(2, 3), network=SMALL, epsilon=0.1)
    learner.prepare(4, [])
    with torch.autocast("cpu", torch.bfloat16):
        found = learner.losses(batch._replace(unlabelled=batch.image), 3)
    found["adversarial"].backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())
