"""The evaluation network of Zhang et al.: who is judged as what, and what each side learns from it."""

from math import log

import pytest
import torch
from scipy.special import expit as sigmoid
from toys import SMALL, noise_batch, one_weight, pixels, task

from medseg_lab.semi.adversaries.deep_adversarial_network import DeepAdversarialNetwork


class ByForeground(torch.nn.Module):
    """Says "labelled" with the logit w (mean foreground), of what has the image beside it or not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, judged):
        return self.weight * judged[:, -1].flatten(1).mean(dim=1)


def judged_by_foreground(**arguments):
    learner = one_weight(DeepAdversarialNetwork, 1.0, **arguments)
    learner.evaluator = ByForeground()
    learner.prepare(20, [])
    return learner


def test_the_segmenter_is_asked_for_what_is_taken_for_labelled():
    learner = judged_by_foreground()
    found = learner.consistency_loss(pixels(1.0, 3.0), 0)
    foreground = (sigmoid(1.0) + sigmoid(3.0)) / 2
    assert found.item() == pytest.approx(-log(sigmoid(2 * foreground)))
    found.backward()
    assert learner.network.weight.grad < 0  # more foreground is what this evaluator takes for labelled
    assert learner.evaluator.weight.grad is None


def test_the_evaluator_is_told_which_images_have_labels():
    learner = judged_by_foreground()
    (found,) = learner.evaluator_losses(
        pixels(3.0, 3.0), 0
    ).values()  # labelled pixels are 0: half foreground
    labelled, unlabelled = sigmoid(2 * 0.5), sigmoid(2 * sigmoid(3.0))
    assert found.item() == pytest.approx(-(log(labelled) + log(1 - unlabelled)) / 2)
    assert learner.noted["discriminator_accuracy"] == 0.5  # it calls both labelled
    found.backward()
    assert learner.network.weight.grad is None
    assert learner.evaluator.weight.grad > 0  # so that it takes less foreground for labelled


def test_without_the_image_it_is_judged_by_probabilities_alone():
    image = noise_batch().image
    for sees_image, channels in ((True, 4), (False, 3)):
        learner = DeepAdversarialNetwork(task(2, 3), network=SMALL, sees_image=sees_image)
        judged = learner.judged(image)
        assert judged.shape[1] == channels
        torch.testing.assert_close(judged[:, -3:].sum(dim=1), torch.ones_like(image[:, 0]))
        assert learner.evaluator(judged).shape == (len(image),)
