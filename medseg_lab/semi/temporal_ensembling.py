"""Temporal ensembling [65] (section 3.2)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.memory import Memory
from medseg_lab.semi.noise import noisy


class TemporalEnsembling(Consistency):
    """A prediction must agree with the running mean of its own past.

    One pass a step, where the Pi-model has two; the price is a memory of every unlabelled voxel. A voxel seen
    for the first time has no past and does not count.

    The paper meets every image once an epoch, for hundreds of epochs. Patches drawn anew in each step would
    hardly ever meet a voxel again: so the unlabelled ones come from a few places, each of which is visited
    in turn. The share of voxels with a past is noted as `known`.

    Args:
        momentum: a of `Memory`.
        visits: how often a place is visited in the training. More of them are fewer places.
    """

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.6
    visits: Annotated[int, Field(ge=1)] = 10

    def build(self) -> None:
        """The network; the memory follows, once the shapes of the cases are known."""
        super().build()
        self.memory: Memory | None = None

    def prepare(
        self, steps: int, unlabelled: Sequence[tuple[int, ...]], labelled: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """Make room for the memory."""
        super().prepare(steps, unlabelled, labelled)
        self.memory = Memory(unlabelled, len(self.task.classes), self.momentum)

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """||z - Z / (1 - a^t)||^2 where there is a past; then Z <- a Z + (1 - a) z.

        Raises:
            ValueError: before `prepare`, or if the batch does not say where patches were cut.
        """
        if self.memory is None or batch.views is None:
            raise ValueError("TemporalEnsembling: expected `prepare` to be called, and a batch with views")
        found = self.student(noisy(self.unlabelled(batch)))
        past, known, inside = self.memory.recall(batch.views)
        self.note(known=known.sum() / inside.sum().clamp(min=1))
        self.memory.remember(batch.views, found.detach())
        # a mean over all voxels, so that a few known ones do not weigh as much as a whole patch
        return squared_error(found, torch.where(known.unsqueeze(1), past, found.detach()))

    def forget(self) -> None:
        """The memory is not part of the trained learner."""
        self.memory = None
