"""The training loop: one for every method of the survey."""

from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import AdamW

from medseg_lab.data.batch import Batch
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.curves import Curves
from medseg_lab.training.device import channels_last, inner_channels
from medseg_lab.training.learner import Learner
from medseg_lab.training.progress import progress_bar
from medseg_lab.training.schedule import learning_rate
from medseg_lab.training.seeding import STEP, stream


class Source(Protocol):
    """Where batches come from (`medseg_lab.data.batches.Batches`)."""

    def batch(self, step: int) -> Batch:
        """The batch of one step: the same whenever it is asked for."""


def train(
    learner: Learner,
    batches: Source,
    budget: Budget,
    seed: int,
    fabric: Fabric,
    checkpoints: Checkpoints,
    bar_title: str = "",
) -> Curves:
    """Move the learner's parameters for `budget.steps` steps, from its last checkpoint on if it has one.

    All chance in a step is seeded by (seed, step, process), and `batches` is a pure function of the step:
    what is resumed at step n does what it would have done without a stop. A bar is shown if it has a title.

    Raises:
        FloatingPointError: when a loss is infinite or not a number, with the step and its terms.
    """
    phases = learner.phases()
    groups = [[p for p in phase.parameters if p.requires_grad] for phase in phases]
    optimisers = [AdamW(group, weight_decay=learner.weight_decay) for group in groups]
    module, *optimisers = fabric.setup(channels_last(learner), *optimisers)
    curves = checkpoints.restore(learner, optimisers)
    learner.train()
    with progress_bar(bar_title, curves.steps, budget.steps) as move_bar:
        for step in range(curves.steps, budget.steps):
            torch.manual_seed(stream(seed, STEP, step, fabric.global_rank))
            batch = batches.batch(step * fabric.world_size + fabric.global_rank)
            rate = learning_rate(step, budget.steps, learner.learning_rate)
            noted: dict[str, Tensor] = {}
            for number, (phase, optimiser) in enumerate(zip(phases, optimisers, strict=True)):
                losses = module(number, inner_channels(batch.image), batch.label, batch.unlabelled, step)
                optimiser.zero_grad()
                fabric.backward(sum(losses.values()))
                fabric.clip_gradients(module, optimiser, max_norm=learner.clip_norm, error_if_nonfinite=False)
                optimiser.param_groups[0]["lr"] = rate
                optimiser.step()
                noted |= {f"{phase.name}.{k}" if len(phases) > 1 else k: v for k, v in losses.items()}
            learner.after_step(step)
            curves.add(step, rate, noted)
            if fabric.is_global_zero and (checkpoints.due or curves.steps == budget.steps):
                checkpoints.save(learner, optimisers, curves)
            move_bar(curves.latest)
    return curves
