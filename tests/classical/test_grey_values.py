"""What the classical methods learn: a grey value for each class, in closed form."""

import pytest
import torch
from toys import task, tiny_cohort, trained

from medseg_lab.classical.grey_values import Classical
from medseg_lab.classical.threshold import Otsu
from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.training.recipe import recipe


def seen(learner, values, labels):
    """One step of a training on one row of pixels; `values` may be of several channels."""
    image = torch.tensor(values, dtype=torch.float32).view(1, learner.task.channels, 1, -1)
    loss = learner.losses(Batch(image, torch.tensor(labels).view(1, 1, -1)), 0)
    learner.after_step(0)
    return loss["within_class_variance"]


def test_a_class_has_the_mean_of_all_its_voxels_so_far_and_open_voxels_do_not_count():
    """Class 0: 1, 3 and then 5; class 1: 10 and then 20."""
    learner = Otsu(task(2, 2))
    seen(learner, [1.0, 3.0, 10.0, 99.0], [0, 0, 1, IGNORE])
    assert learner.grey[:, 0].tolist() == [2, 10]
    loss = seen(learner, [5.0, 20.0], [0, 1])
    assert loss.item() == ((5 - 2) ** 2 + (20 - 10) ** 2) / 2
    assert learner.grey[:, 0].tolist() == [3, 15]
    torch.testing.assert_close(learner.spread[:, 0], torch.tensor([8 / 3, 25.0]).double().sqrt())


def test_what_nobody_annotated_teaches_nothing():
    learner = Otsu(task(2, 2))
    before = learner.grey.clone()
    assert seen(learner, [1.0, 2.0], [IGNORE, IGNORE]) == 0
    assert torch.equal(learner.grey, before)


def test_the_mean_is_that_of_the_patches_and_the_optimiser_does_not_move_it(tmp_path):
    learner, curves = trained(recipe(Otsu), tiny_cohort(2, 2), tmp_path, steps=3)
    torch.testing.assert_close(
        learner.grey.double(), learner.total / learner.count[:, None], rtol=1e-6, atol=0
    )
    assert abs(learner.grey[1, 0].item() - 1) < 0.2  # balls are 1 in noise of .3
    assert curves.rows[-1]["within_class_variance"] < 0.15


def test_a_training_is_short():
    assert Otsu(task(2)).steps_within(10_000) == 32
    assert Otsu(task(2)).steps_within(5) == 5


def test_a_class_that_no_patch_had_is_never_found():
    learner = Otsu(task(2, 3))
    seen(learner, [0.0, 10.0], [0, 2])
    assert learner.nearest(torch.linspace(-50, 50, 101)).unique().tolist() == [0, 2]


def test_the_channel_is_the_one_in_which_classes_lie_furthest_apart():
    """Channel 0: means 2 and 8, variances 1; channel 1: means 0 and 40, variances 400."""
    learner = Otsu(Task(2, ("background", "a"), 2))
    seen(learner, [[1, 3, 7, 9], [-20, 20, 20, 60]], [0, 0, 1, 1])
    assert learner.clearest_channel == 0
    assert Otsu(Task(2, ("background", "a"), 2), channel=1).clearest_channel == 1
    found = learner.predict(torch.tensor([[4.0, 6.0], [99.0, -99.0]]).view(1, 2, 1, 2))
    assert found[0, 1, 0].tolist() == [0, 1]
    with pytest.raises(ValueError, match="Otsu: channel: expected 0 to 1, got 2"):
        Otsu(Task(2, ("background", "a"), 2), channel=2)


def test_smoothing_is_as_wide_in_mm_along_thick_slices():
    """A point is spread over the plane, and hardly to the next slice, which is 10 mm away."""
    learner = Classical(Task(1, ("background", "a"), 3, spacing=(1.0, 1.0, 10.0)))
    point = torch.zeros(9, 9, 9).double().numpy()
    point[4, 4, 4] = 1
    found = learner.smoothed(point)
    assert found[5, 4, 4] > 0.08
    assert found[4, 4, 5] < 1e-6


def test_regions_are_named_by_their_mean():
    learner = Otsu(task(2, 2))
    seen(learner, [0.0, 10.0], [0, 1])
    regions = torch.tensor([[0, 0, 1, 1]]).numpy()
    image = torch.tensor([[0.0, 8.0, 1.0, 11.0]]).double().numpy()
    assert learner.named(regions, image).tolist() == [0, 1]  # means 4 and 6
