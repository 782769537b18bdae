"""Thresholds and clusters on a few voxels by hand, and how much a step changed."""

import numpy as np
import pytest
import torch
from toys import SMALL, task, tiny_cohort

from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import Judge
from medseg_lab.inference.intensity_clusters import IntensityClusters, grouped, unlike
from medseg_lab.inference.intensity_threshold import IntensityThreshold
from medseg_lab.inference.post_processing import PostProcessing, changed_share
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised


class Still(Segmenter):
    """Predicts nothing by itself."""

    task: Task

    def build(self):
        self.unused = torch.nn.Parameter(torch.zeros(1))


def sure(label, classes=3):
    """Probabilities of .8 for the class that is said, and the rest shared."""
    found = torch.full((classes, *label.shape), 0.2 / (classes - 1))
    return found.scatter(0, label[None], 0.8)


def test_what_is_far_from_the_median_is_removed():
    """Class 1: 8, 9, 10, 11, 12 and 100; median 10 (the lower one of two), distances 0 1 1 2 2 90: 1."""
    values = torch.tensor([[[8.0, 9, 10, 11, 12, 100, 0, 50, 50]]])
    label = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 2, 2]])
    for deviations, kept in ((4.0, [1, 1, 1, 1, 1, 0, 0, 2, 2]), (1.0, [0, 1, 1, 1, 0, 0, 0, 2, 2])):
        step = IntensityThreshold(learner=Still(task=task(2, 3)), deviations=deviations)
        found = step.process(sure(label), values)  # limits of 5.93 and 1.48
        assert found.argmax(0).tolist() == [kept]
        assert torch.equal(found[:, 0, 6:], sure(label)[:, 0, 6:])
        torch.testing.assert_close(found.sum(0), torch.ones(1, 9))


def test_where_most_voxels_have_one_intensity_nothing_is_out_of_range():
    """A saturated channel has a median distance of 0, and says nothing; the other one still does."""
    saturated = torch.tensor([9.0, 9, 9, 9, 7, 8])
    step = IntensityThreshold(learner=Still(task=Task(2, ("background", "a"), 2)))
    for other, kept in (([1.0] * 6, [1] * 6), ([8.0, 9, 10, 11, 12, 99], [1] * 5 + [0])):
        image = torch.stack([saturated, torch.tensor(other)])[:, None]
        found = step.process(sure(torch.ones(1, 6, dtype=torch.int64), 2), image)
        assert found.argmax(0).tolist() == [kept]


def test_one_channel_is_enough_to_remove_a_voxel():
    first = torch.tensor([8.0, 9, 10, 11, 12])
    second = torch.tensor([8.0, 9, 10, 11, 99])
    step = IntensityThreshold(learner=Still(task=Task(2, ("background", "a"), 2)))
    found = step.process(sure(torch.ones(1, 5, dtype=torch.int64), 2), torch.stack([first, second])[:, None])
    assert found.argmax(0).tolist() == [[1, 1, 1, 1, 0]]


def test_members_of_a_group_of_others_are_unlike():
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    member = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)
    assert unlike(groups, member, 0.25).tolist() == [False] * 8  # a quarter is not less than a quarter
    assert unlike(groups, member, 0.3).tolist() == [True] + [False] * 7
    assert unlike(groups, member, 1.0).tolist() == member.tolist()
    assert unlike(groups[:0], member[:0], 0.5).tolist() == []


@pytest.mark.parametrize(("order", "around"), [((), 1), ((2, 1), 2)])
def test_enhancing_voxels_that_look_like_the_rest_become_the_class_around(order, around):
    """Bright ones are enhancing; a dark one among them is not. Background may have any intensity."""
    inner = 2 if around == 1 else 1
    label = torch.tensor([[around] * 6 + [inner] * 4 + [0] * 12])
    dark, bright = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9], [5.0, 5.1, 4.9]
    image = torch.tensor([[[*dark, *bright, 1.05, *[5.0] * 12]]])
    problem = Task(1, ("background", "a", "b"), 2, order=order)
    step = IntensityClusters(learner=Still(task=problem), clusters=2)
    found = step.process(sure(label), image).argmax(0).tolist()
    assert found == [[around] * 6 + [inner] * 3 + [around] + [0] * 12]
    nothing = sure(torch.zeros(1, 22, dtype=torch.int64))
    assert torch.equal(step.process(nothing, image), nothing)


def test_two_levels_of_intensity_are_two_groups():
    values = np.array([[0.0], [0.1], [9.0], [9.1], [0.05]])
    found = grouped(values, 2)
    assert (found == found[0]).tolist() == [True, True, False, False, True]
    assert grouped(np.ones((5, 1)), 2).tolist() == [0] * 5


def test_one_class_has_nothing_around_it():
    with pytest.raises(ValueError, match=r"expected two foreground classes or more, got \('a',\)"):
        IntensityClusters(learner=Still(task=task(2, 2)))


def test_the_share_that_changed_is_one_minus_the_overlap():
    before = torch.tensor([1, 1, 1, 0, 2, 0])
    after = torch.tensor([0, 1, 1, 1, 2, 0])
    assert changed_share(before, after, 4).tolist() == [0.5, 0.0, 0.0]  # 2 of 4; none of 1; none at all


class FirstRowOff(PostProcessing):
    """Makes the first plane of a case background."""

    def process(self, probabilities, image):
        found = probabilities.clone()
        found[:, 0] = torch.tensor([1.0, 0, 0]).view(3, *[1] * (found.ndim - 2))
        return found


def test_a_run_knows_what_the_step_changed_of_its_cases():
    cohort = tiny_cohort(3, 3, shape=(12, 10, 8))
    torch.manual_seed(0)
    learner = Supervised(cohort.task, network=SMALL, spatial_dims=2)
    plain, judged = Judge(), Judge()
    changed = FirstRowOff(learner=learner)
    plain(learner, cohort), judged(changed, cohort)
    (case,) = cohort.validation
    one, other = (judge.label_maps[case.id] for judge in (plain, judged))
    shares = [((one == k) ^ (other == k)).sum() / ((one == k) | (other == k)).sum() for k in (1, 2)]
    assert changed.case_activity == {"changed": pytest.approx(sum(shares) / 2)}
    assert 0 < sum(shares) / 2 < 1
