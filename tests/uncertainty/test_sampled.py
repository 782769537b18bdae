"""What all methods of section 4 share: their loss, whose labels they are taught, and the mean of samples."""

import pytest
import torch
from toys import SMALL, noise_batch, sampled, task

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.bayes_by_backprop import BayesByBackprop
from medseg_lab.uncertainty.ensemble import DeepEnsemble
from medseg_lab.uncertainty.mc_dropout import MCDropout
from medseg_lab.uncertainty.multiple_hypotheses import MultipleHypotheses
from medseg_lab.uncertainty.noise import HeteroscedasticNoise, HomoscedasticNoise
from medseg_lab.uncertainty.shuffled import Shuffled
from medseg_lab.uncertainty.test_time_augmentation import TestTimeAugmentation


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"members": 0}, "DeepEnsemble: members: expected greater than or equal to 1, got 0"),
        (
            {"reading": "loudest"},
            "DeepEnsemble: reading: expected 'reference', 'random', 'consensus', 'boxes' or 'spoiled'",
        ),
        ({"number": 3}, "DeepEnsemble: got an unexpected keyword argument 'number'; its arguments are task"),
    ],
)
def test_an_argument_that_is_not_as_annotated_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        DeepEnsemble(task(2), network=SMALL, **arguments)


def test_it_is_taught_with_cross_entropy_and_the_labels_of_a_random_rater():
    method = DeepEnsemble(task(2), network=SMALL)
    assert (method.loss, method.reading) == (CrossEntropy(), "random")
    assert DeepEnsemble(task(2), network=SMALL, loss=recipe(Dice)).loss == Dice()


@pytest.mark.parametrize("method", [MultipleHypotheses, HeteroscedasticNoise, HomoscedasticNoise])
def test_where_the_loss_is_a_likelihood_another_one_is_refused(method):
    with pytest.raises(ValueError, match=rf"{method.__name__}: loss: expected CrossEntropy\(\).+ got Dice\("):
        method(task(2), network=SMALL, loss=recipe(Dice))


def test_a_prediction_is_the_mean_of_a_few_samples():
    image, learner = noise_batch().image, BayesByBackprop(task(2, 3), network=SMALL).eval()
    for method in (learner, MCDropout(learner=learner)):
        torch.manual_seed(0)
        with torch.no_grad():
            torch.testing.assert_close(method.predict(image), sampled(method, image, 8).mean(dim=0))


@pytest.mark.parametrize("wrapper", [MCDropout, TestTimeAugmentation, Shuffled])
def test_a_trained_learner_keeps_its_task_its_patch_and_its_evaluation_mode(wrapper):
    learner = Supervised(task(3), network=SMALL, spatial_dims=2)
    learner.patch, learner.precision = (4, 5), "bf16-mixed"
    method = wrapper(learner=learner).train()
    assert (method.task, method.patch, method.precision) == (task(2), (4, 5), "bf16-mixed")
    assert not any(module.training for module in method.modules())
    assert [name.removeprefix("learner.") for name in method.state_dict()] == list(learner.state_dict())
