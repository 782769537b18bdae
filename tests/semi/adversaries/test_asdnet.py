"""ASDNet: which voxels become pseudo-labels, by hand, and what the discriminator is shown."""

from math import log

import pytest
import torch
from scipy.special import expit as sigmoid
from toys import SMALL, noise_batch, one_weight, pixels, task

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.semi.adversaries.asdnet import ASDNet
from medseg_lab.training.recipe import recipe


class ByImage(torch.nn.Module):
    """A confidence whose logit is the image, plus w where the segmentation has foreground."""

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, judged):
        return judged[:, :1] + self.weight * judged[:, -1:]


def confident_by_image(weight: float = 0.0, **arguments):
    learner = one_weight(ASDNet, 0.5, loss=recipe(CrossEntropy), **arguments)
    learner.discriminator = ByImage(weight)
    learner.prepare(20, [])
    return learner


def test_the_least_confident_share_of_each_class_has_no_pseudo_label():
    # predicted: background twice, foreground three times; in each class the least confident third is left out
    learner = confident_by_image(threshold=0.34, adversarial=0.0)
    found = learner.consistency_loss(pixels(-4.0, -2.0, 1.0, 3.0, 5.0), 0)
    known = [1 - sigmoid(-1.0), sigmoid(1.5), sigmoid(2.5)]
    assert found.item() == pytest.approx(-sum(map(log, known)) / 3)
    assert learner.noted["kept"].item() == pytest.approx(3 / 5)


def test_threshold_0_takes_whole_predictions():
    learner = confident_by_image(threshold=0.0, adversarial=0.0)
    found = learner.consistency_loss(pixels(-200.0, 1.0), 0)
    assert learner.noted["kept"] == 1
    assert found.item() == pytest.approx(-(log(sigmoid(100.0)) + log(sigmoid(0.5))) / 2)


def test_the_adversarial_term_counts_most_where_confidence_is_low():
    values = (-1.0, 2.0)
    for difficulty in (0.0, 2.0):
        plain, whole = (
            confident_by_image(adversarial=a, difficulty=difficulty).consistency_loss(pixels(*values), 0)
            for a in (0.0, 0.5)
        )
        terms = [(1 - sigmoid(x)) ** difficulty * -log(sigmoid(x)) for x in values]
        assert (whole - plain).item() == pytest.approx(0.5 * sum(terms) / 2, rel=1e-5)


def test_its_gradient_reaches_the_segmenter_and_not_the_discriminator():
    learner = confident_by_image(weight=3.0, adversarial=1.0, difficulty=0.0)
    learner.consistency_loss(pixels(-1.0), 0).backward()  # foreground would look true, and is not predicted
    p = sigmoid(-0.5)
    # d/dw of -log D(x + 3 p(w x)): -(1 - D) 3 p (1 - p) x; and of the pseudo-label, -log(1 - p): p x
    wanted = -(1 - sigmoid(-1.0 + 3 * p)) * 3 * p * (1 - p) * -1 + p * -1
    assert learner.network.weight.grad.item() == pytest.approx(wanted)
    assert learner.discriminator.weight.grad is None


def test_the_discriminator_learns_where_a_label_is_known_and_is_judged_where_the_two_differ():
    # labelled pixels of 0, 2 and 5: predicted to be background, foreground, foreground; true: 0, 0, unknown
    learner, batch = confident_by_image(weight=1.0), pixels(0.0, 0.0, 0.0)
    label = torch.tensor([[[0, 0, IGNORE]]])
    batch = batch._replace(image=torch.tensor([[[[0.0, 2.0, 5.0]]]]), label=label)
    (found,) = learner.discriminator_losses(batch, 0).values()
    true = -(log(sigmoid(0.0)) + log(sigmoid(2.0))) / 2  # logits: the image, and no foreground
    p = sigmoid(0.0), sigmoid(1.0)  # with the predicted foreground, instead
    other = -(log(1 - sigmoid(p[0])) + log(1 - sigmoid(2 + p[1]))) / 2
    assert found.item() == pytest.approx((true + other) / 2)
    assert learner.noted["discriminator_accuracy"] == 0.5  # of the second pixel: both are called true
    assert learner.noted["taken_for_real"].item() == pytest.approx(-log(sigmoid(2 + p[1])))
    found.backward()
    assert learner.network.weight.grad is None


def test_without_a_difference_nothing_is_noted_of_the_game():
    learner, batch = confident_by_image(), pixels(1.0)
    learner.discriminator_losses(batch._replace(image=torch.full((1, 1, 1, 1), -1.0)), 0)
    assert not learner.noted


def test_where_nobody_annotated_anything_there_is_nothing_to_tell():
    learner = ASDNet(task(2), network=SMALL, width=4)
    batch = noise_batch()
    unknown = batch._replace(label=torch.full_like(batch.label, IGNORE))
    assert learner.discriminator_losses(unknown, 0)["told_apart"].item() == 0


def test_what_nobody_annotated_does_not_give_the_reference_away():
    learner, shown = ASDNet(task(2), network=SMALL, width=4), []
    batch = noise_batch(classes=2)
    batch.label[:, :4] = IGNORE
    discriminate = learner.discriminator.forward
    learner.discriminator.forward = lambda x: shown.append(x) or discriminate(x)
    learner.discriminator_losses(batch, 0)
    reference, prediction = (each[:, 1:] for each in shown)  # after the one channel of the image
    assert not reference[:, :, :4].any()
    assert not prediction[:, :, :4].any()
    assert prediction[:, :, 4:].any()
