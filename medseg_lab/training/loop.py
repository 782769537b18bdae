"""The training loop: one for every method of the survey."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

from medseg_lab.data.batch import Batch
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.curves import Curves
from medseg_lab.training.device import laid_out, lay_out
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.progress import progress_bar
from medseg_lab.training.schedule import learning_rate
from medseg_lab.training.seeding import STEP, stream

MOMENTUM = 0.99
"""Of stochastic gradient descent, with Nesterov's correction (nnU-Net [46])."""


class Source(Protocol):
    """Where batches come from (`medseg_lab.data.batches.Batches`)."""

    @property
    def unlabelled_shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each unlabelled case."""

    @property
    def labelled_shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each labelled case."""

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
    watch: Callable[[int], None] | None = None,
) -> Curves:
    """Move the learner's parameters for its share of the budget's steps, from its last checkpoint on.

    All chance in a step is seeded by (seed, step, process), and `batches` is a pure function of the step:
    what is resumed at step n does what it would have done without a stop. A bar is shown if it has a title;
    `watch` is called with the number of each step that is done.

    Raises:
        FloatingPointError: when a loss is infinite or not a number, with the step and its terms.
    """
    steps = learner.steps_within(budget.steps)
    learner.prepare(steps, batches.unlabelled_shapes, batches.labelled_shapes)
    lay_out(learner.to(fabric.device))
    phases = learner.phases()
    optimisers = [optimiser_of(learner, groups) for groups in parameter_groups(phases)]
    module, *optimisers = fabric.setup(learner, *optimisers)
    curves = checkpoints.restore(learner, optimisers)
    learner.train()
    with progress_bar(bar_title, curves.steps, steps) as move_bar:
        for step in range(curves.steps, steps):
            torch.manual_seed(stream(seed, STEP, step, fabric.global_rank))
            batch = batches.batch(step * fabric.world_size + fabric.global_rank)
            batch = batch._replace(
                image=laid_out(batch.image),
                unlabelled=None if batch.unlabelled is None else laid_out(batch.unlabelled),
            )
            rate = learning_rate(step, steps, learner.learning_rate)
            noted: dict[str, Tensor] = {}
            for number, (phase, optimiser) in enumerate(zip(phases, optimisers, strict=True)):
                losses = module(number, batch, step)
                optimiser.zero_grad()
                fabric.backward(sum(losses.values()))
                fabric.clip_gradients(module, optimiser, max_norm=learner.clip_norm, error_if_nonfinite=False)
                for group in optimiser.param_groups:
                    group["lr"] = rate * phase.rate(step) * group["share"]
                optimiser.step()
                noted |= {f"{phase.name}.{k}" if len(phases) > 1 else k: v for k, v in losses.items()}
            learner.after_step(step)
            curves.add(step, rate, noted, learner.noted)
            learner.noted = {}
            if watch is not None:
                watch(step)
            if fabric.is_global_zero and (checkpoints.due or curves.steps == steps):
                checkpoints.save(learner, optimisers, curves)
            move_bar(curves.latest)
    return curves


def optimiser_of(learner: Learner, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimiser that a learner asks for."""
    if learner.optimiser == "sgd":
        return SGD(groups, momentum=MOMENTUM, nesterov=True, weight_decay=learner.weight_decay, fused=True)
    return AdamW(groups, weight_decay=learner.weight_decay, fused=True)


def parameter_groups(phases: Sequence[Phase]) -> list[list[dict[str, Any]]]:
    """What each phase's optimiser moves, in groups with their `share` of the learning rate.

    Weight decay reaches a parameter in the first phase that moves it; else one that two phases share would
    decay twice in a step, whatever its gradients.
    """
    decayed: set[int] = set()
    found = []
    for phase in phases:
        share = {id(p): share for share, slow in phase.slower.items() for p in slow}
        moved = [p for p in phase.parameters if p.requires_grad]
        groups: dict[tuple[float, bool], list[Parameter]] = {}
        for parameter in moved:
            groups.setdefault((share.get(id(parameter), 1.0), id(parameter) in decayed), []).append(parameter)
        decayed |= {id(p) for p in moved}
        found.append(
            [
                {"params": members, "share": of_rate} | ({"weight_decay": 0.0} if again else {})
                for (of_rate, again), members in groups.items()
            ]
        )
    return found
