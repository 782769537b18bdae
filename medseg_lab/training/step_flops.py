"""What a training step costs, counted."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from medseg_lab.data.batch import Batch
from medseg_lab.training.learner import Learner


def step_flops(learner: Learner, batch: Batch) -> int:
    """Floating point operations of one training step on this batch: all phases, forward and backward.

    As in `networks.measure.flops`, a multiplication and its addition count as 2, and only convolutions and
    matrix products count. The learner is to be thrown away, since what it remembers has moved. No random
    number that another would draw is used up.
    """
    learner.train()
    with torch.random.fork_rng(), FlopCounterMode(display=False) as counter:
        for phase in learner.phases():
            terms = phase.losses(batch, learner.steps - 1)
            torch.stack([term for term in terms.values() if term.requires_grad]).sum().backward()
    return int(counter.get_total_flops())
