"""Pseudo-labels that a conditional random field refines."""

import pytest
import torch
from toys import SMALL, task

from medseg_lab.data.case import Case
from medseg_lab.inference.mean_field import mean_field
from medseg_lab.rounds.self_training_crf import SelfTrainingCRF


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_each_slice_is_a_field_of_its_own(plane):
    torch.manual_seed(0)
    how = {"appearance": 5.0, "smoothness": 3.0, "alpha": 1.5, "beta": 0.7, "gamma": 0.8, "radius": 3.0}
    learner = SelfTrainingCRF(task(3), network=SMALL, spatial_dims=2, plane=plane, iterations=4, **how)
    before, image = torch.randn(3, 9, 7, 8).softmax(dim=0), torch.randn(2, 9, 7, 8)
    axis = (2 + plane) % 3
    slices = zip(before.unbind(axis + 1), image.unbind(axis + 1), strict=True)
    wanted = torch.stack([mean_field(p, f, iterations=4, **how) for p, f in slices], dim=axis + 1)
    torch.testing.assert_close(learner.field(before, image), wanted)


def test_a_network_of_volumes_has_one_field():
    torch.manual_seed(0)
    learner = SelfTrainingCRF(task(3), network=SMALL)
    before, image = torch.randn(2, 6, 5, 7).softmax(dim=0), torch.randn(1, 6, 5, 7)
    torch.testing.assert_close(learner.field(before, image), mean_field(before, image, smoothness=0.0))


def test_what_the_image_contradicts_is_corrected_and_counted():
    """A bright square of 4 x 4; the teacher misses one of its pixels, and marks one outside of it."""
    label = torch.zeros(12, 12, dtype=torch.uint8)
    label[4:8, 4:8] = 1
    foreground = 0.1 + 0.8 * label
    foreground[5, 5], foreground[1, 9] = 0.4, 0.6

    class Taught(SelfTrainingCRF):
        def foretold(self, case, teachers, slice_axis):
            return torch.stack([1 - foreground, foreground])

    case = Case("a", "a", 2.0 * label[None], torch.zeros((0, 12, 12), dtype=torch.uint8), None)
    learner = Taught(task(2), network=SMALL, radius=2.0)
    found = learner.taught([case], [], 2)
    assert torch.equal(found[0].label, label)
    assert learner.made == {"kept": 1.0, "refined": pytest.approx(2 / 144)}
