"""A network planned from the task, and trained as nnU-Net does."""

import pytest
import torch
from toys import NAMES, task

from medseg_lab.data.batch import Batch
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.task import Task
from medseg_lab.networks.measure import flops
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.nnunet_plan import NNUNetPlan
from medseg_lab.training.notation import parse
from medseg_lab.training.record import TaskFacts, task_facts

HEART = Task(1, ("background", "a"), 3, spacing=(1.25, 1.25, 5.0), patch=(64, 64, 8), slice_patch=(96, 80))


def test_levels_follow_from_spacing_and_patch():
    network = NNUNetPlan(HEART, width=2).network
    assert network.strides == ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1))
    assert network.widths == (2, 4, 8, 16, 32)
    kernels = [stage[0][0].kernel_size for stage in network.encoder]
    assert kernels == [(3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert [stage[1][0].kernel_size for stage in network.decoder.stage] == kernels[:-1]
    assert len(network.auxiliary) == 3


def test_slices_are_planned_for_their_own_patch():
    # 96 x 80: 48, 40: 24, 20: 12, 10: 6, 5
    assert NNUNetPlan(HEART, width=2, spatial_dims=2).network.strides == ((2, 2),) * 4


def test_a_cohort_tells_the_median_spacing_and_its_patch():
    cohort = load_cohort("virtual-brain", cases=5, labelled=1)
    how, cases = cohort.card.preprocessing, (*cohort.labelled, *cohort.unlabelled)
    along = [sorted(case.spacing[axis] for case in cases) for axis in range(3)]
    middle = tuple((one[(len(one) - 1) // 2] + one[len(one) // 2]) / 2 for one in along)
    assert cohort.task.spacing == pytest.approx(middle)
    assert cohort.task.patch == how.patch
    flat = cohort.task.in_dimension(2)
    assert len(flat.spacing) == len(flat.patch) == 2


def test_a_record_without_spacing_can_still_be_read():
    old = TaskFacts.model_validate({"channels": 1, "classes": ["background", "a"], "spatial_dims": 3})
    assert NNUNetPlan(Task(**old.model_dump()), width=2).network.strides == ((2, 2, 2),) * 3
    assert Task(**TaskFacts.model_validate_json(task_facts(HEART).model_dump_json()).model_dump()) == HEART


def test_a_coarser_head_counts_half():
    learner = NNUNetPlan(task(2), width=2)
    image, label = torch.randn(1, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.long)
    coarsest, coarse, finest = (learner.loss(logits, label) for logits in learner.network.heads(image))
    (found,) = learner.losses(Batch(image, label), 0).values()
    torch.testing.assert_close(found, (coarsest + 2 * coarse + 4 * finest) / 7)


def test_it_plans_its_own_network():
    with pytest.raises(ValueError, match="plans its own network"):
        parse("NNUNetPlan(network=UNet())").build(task(2))


def test_as_many_flops_as_the_network_that_it_is_compared_with():
    hippocampus = Task(1, ("b", "a", "p"), 3, spacing=(1, 1, 1), patch=(40, 56, 40), slice_patch=(48, 64))
    planned = NNUNetPlan(hippocampus, width=22, spatial_dims=2).network
    shape = (1, 1, 48, 64)
    assert flops(planned, shape) == pytest.approx(flops(UNetPlusPlus(1, 3, 2), shape), rel=0.01)


def test_slices_keep_the_spacing_and_the_patch_of_their_own_axes():
    across_first = Task(1, NAMES[:2], 3, slice_axis=0, spacing=(5.0, 1.25, 1.5), patch=(8, 64, 48))
    flat = across_first.in_dimension(2)
    assert (flat.spacing, flat.patch) == ((1.25, 1.5), (64, 48))


def test_by_default_it_descends_as_nnunet_does():
    learner = NNUNetPlan(HEART, width=2)
    assert (learner.optimiser, learner.learning_rate, learner.weight_decay) == ("sgd", 1e-2, 3e-5)
