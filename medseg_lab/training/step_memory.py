"""What a training step takes of the memory, counted."""

from collections.abc import Sequence
from functools import partial

import torch

from medseg_lab.data.batch import Batch
from medseg_lab.networks.measure import kept_bytes
from medseg_lab.training.learner import Learner

OF_A_WEIGHT = 12
"""Bytes beside a weight that is trained: its gradient, and the two means that AdamW keeps of it."""


def step_memory(learner: Learner, image_shape: Sequence[int]) -> int:
    """Bytes of float32 that a supervised training step on patches `(N, C, *S)` holds at once.

    They are the weights, the gradients and the optimiser's state, and what the phase that keeps the most
    saves for its backward pass, the loss included. So the number is the learner's alone, and does not depend
    on what else the process did; a library's work space, and copies in another layout, come on top. Images
    and labels are noise: where a learner cuts its patches to a box around what is labelled, the box is the
    whole patch. No random number that another would draw is used up.

    Raises:
        ValueError: for a learner that reads images without labels.
    """
    if learner.wants_unlabelled:
        raise ValueError(f"{type(learner).__name__}: expected a learner without unlabelled patches")
    learner.train()
    device = next(learner.parameters()).device
    with torch.random.fork_rng():
        torch.manual_seed(0)
        image = torch.randn(*image_shape, device=device)
        label = torch.randint(
            len(learner.task.classes), (image_shape[0], *image_shape[2:]), device=device, dtype=torch.int64
        )
        weight = torch.ones(label.shape, device=device) if hasattr(learner.loss, "weight_map") else None
        batch = Batch(image, label, weight=weight)
        weights, last = list(learner.state_dict().values()), max(0, learner.steps - 1)
        computations = [partial(phase.losses, batch, last) for phase in learner.phases()]
        activations = [kept_bytes(compute, weights) for compute in computations]
    trained = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    held = sum(weight.untyped_storage().nbytes() for weight in weights)
    return held + OF_A_WEIGHT * trained + max(activations)
