"""Cases with their samples, and volumes of which a few slices are kept."""

import pytest
import torch
from torch import Tensor, nn

from medseg_lab.data.case import Case
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn, drawn, thinned
from medseg_lab.networks.unet import UNet
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.noise import HomoscedasticNoise


def volume(marked: range, depth: int = 20) -> Case:
    """Two raters; the second one marks the slices of `marked` along the last axis."""
    labels = torch.zeros(2, 4, 5, depth, dtype=torch.uint8)
    labels[1, 2, 3, marked.start : marked.stop] = 1
    image = torch.arange(depth).float().expand(1, 4, 5, depth)
    share = torch.arange(depth).float().expand(3, 4, 5, depth)
    return Case("c", "p", image, labels, (1.0, 1.0, 2.0), share)


@pytest.mark.parametrize(
    ("marked", "kept"),
    [
        (range(5, 14), [5, 7, 9, 11, 13]),  # evenly spread, first and last among them
        (range(5, 8), [5, 6, 7]),  # fewer than asked for
        (range(0), [0, 5, 10, 14, 19]),  # nothing marked: of the whole volume; 9.5 is rounded to even
    ],
)
def test_slices_are_spread_over_what_a_rater_marked(marked, kept):
    found = thinned(volume(marked), -1, slices=5)
    assert found.image[0, 0, 0].tolist() == kept
    assert found.distribution[0, 0, 0].tolist() == kept
    assert found.labels.shape == (2, 4, 5, len(kept))
    assert (found.id, found.patient, found.spacing) == ("c", "p", (1.0, 1.0, 2.0))


def test_of_a_large_picture_the_middle_is_kept():
    image = torch.arange(11).float().expand(1, 4, 11)
    large = Case("c", "p", image, torch.zeros(1, 4, 11, dtype=torch.uint8), None)
    kept = thinned(large, None, side=6)
    assert kept.image.shape == (1, 4, 6)
    assert kept.labels.shape == (1, 4, 6)
    assert kept.image[0, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert torch.equal(thinned(large, None, side=11).image, image)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_taken_along_the_axis_asked_for(axis):
    turned = volume(range(3, 6))
    turned = Case("c", "p", turned.image.movedim(-1, axis + 1), turned.labels.movedim(-1, axis + 1), None)
    assert thinned(turned, axis).image.movedim(axis + 1, -1)[0, 0, 0].tolist() == [3, 4, 5]


def test_the_mean_and_its_most_probable_class():
    samples = torch.tensor([[[0.9, 0.4], [0.1, 0.6]], [[0.3, 0.0], [0.7, 1.0]]])
    found = Drawn(volume(range(0)), samples)
    torch.testing.assert_close(found.mean, torch.tensor([[0.6, 0.2], [0.4, 0.8]]))
    assert found.prediction.tolist() == [0, 1]


class Shifting(Learner):
    """A number of its own for each draw."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.weight, self.patch = nn.Parameter(torch.ones(1)), (16, 16)

    def sample(self, image: Tensor, n: int) -> Tensor:
        odds = torch.randn(n, 1, len(self.task.classes), *[1] * (image.ndim - 2)) + self.weight * image[:, :1]
        return odds.softmax(dim=2)


def test_a_case_gets_samples_that_its_seed_decides():
    cohort = load_cohort("virtual-brain+raters", cases=5)
    learner = Shifting(Task(1, cohort.task.classes, 2))
    cases = (*cohort.validation, *cohort.labelled[:1])
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, second = (list(drawn(learner, cohort, cases, 3, seed=4)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert [one.case.id for one in first] == [case.id for case in cases]
    for one, other in zip(first, second, strict=True):
        assert one.samples.shape == (3, 4, 80, 96, 8)
        assert one.case.distribution.shape == (4, 80, 96, 8)
        assert torch.equal(one.samples, other.samples)
    free = [one.samples for _ in range(2) for one in drawn(learner, cohort, cases[:1], 3)]
    assert not torch.equal(*free)


def test_a_learner_that_predicts_its_noise_is_asked_for_the_map():
    """Sigma 1, 2, ... of the classes: their mean, on the whole of an image of several windows."""
    cohort = load_cohort("virtual-brain+raters", cases=5)
    learner = HomoscedasticNoise(Task(1, cohort.task.classes, 2), network=recipe(UNet, features=(2, 4)))
    learner.patch = (48, 48)
    learner.log_variance.data[:] = 2 * torch.arange(1.0, 1 + len(cohort.task.classes)).log()
    (found,) = drawn(learner, cohort, cohort.validation[:1], 2)
    assert found.noise.shape == found.case.image.shape[1:]
    mean = (1 + len(cohort.task.classes)) / 2
    torch.testing.assert_close(found.noise, torch.full_like(found.noise, mean))
