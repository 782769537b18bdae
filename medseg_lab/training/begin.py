"""How a training starts: a new learner and its batches."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric

from medseg_lab.data.batches import Batches
from medseg_lab.training.budget import Budget
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.seeding import BUILD, stream
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


def begin(
    recipe: Recipe,
    cohort: "Cohort",
    budget: Budget,
    seed: int,
    fabric: Fabric,
    teachers: Sequence[Segmenter] = (),
) -> tuple[Learner, Batches]:
    """A learner before its first step, and its batches: this process's share of each step's voxels.

    `teachers` are the trained learners of the recipe's `bases`.
    """
    torch.manual_seed(stream(seed, BUILD))
    learner: Learner = recipe.build(cohort.task)
    if teachers:
        cohort = learner.learn_from(cohort, teachers)
    everywhere = learner.steps_within(budget.steps) * fabric.world_size
    batches = Batches(
        cohort,
        learner.task,
        round(budget.voxels * learner.batch_share) // fabric.world_size,
        budget.patch,
        fabric.device,
        seed,
        unlabelled=learner.wants_unlabelled,
        augmentation=learner.augmentation,
        reading=learner.reading,
        fold=learner.fold,
        size=learner.batch_size,
        plane=learner.plane,
        weight_map=getattr(learner.loss, "weight_map", None),
        back_after=math.ceil(everywhere / learner.visits) if learner.visits > 1 else None,
    )
    return learner, batches
