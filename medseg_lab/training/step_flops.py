"""What a training step costs, counted."""

from copy import deepcopy

import torch
from torch.utils.flop_counter import FlopCounterMode

from medseg_lab.data.batch import Batch
from medseg_lab.training.learner import Learner


def step_flops(learner: Learner, batch: Batch) -> int:
    """Floating point operations of one training step on this batch: all phases, forward and backward.

    As in `networks.measure.flops`, a multiplication and its addition count as 2, and only convolutions and
    matrix products count. A copy of the learner takes the step, so nothing moves, and no random number that a
    later one would draw is used up.
    """
    copy = deepcopy(learner).train()
    with torch.random.fork_rng(), FlopCounterMode(display=False) as counter:
        for phase in copy.phases():
            terms = phase.losses(batch, copy.steps - 1)
            torch.stack([term for term in terms.values() if term.requires_grad]).sum().backward()
    return int(counter.get_total_flops())
