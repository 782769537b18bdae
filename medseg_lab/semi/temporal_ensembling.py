"""Temporal ensembling [65] (section 3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import RAMP, WEIGHT, Consistency
from medseg_lab.semi.memory import Memory
from medseg_lab.semi.noise import noisy
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.supervised import LossName


class TemporalEnsembling(Consistency):
    """A prediction must agree with the running mean of its own past.

    One pass a step, where the Pi-model has two; the price is a memory of every unlabelled voxel. A voxel seen
    for the first time has no past and does not count: before each case has been seen twice, the term is
    small. The paper updates its memory once an epoch, we whenever a voxel is seen, which is as often.

    Args:
        task, network, weight, ramp, loss, learning_rate, spatial_dims: as in `Consistency`.
        momentum: a of `Memory`.

    Raises:
        ValueError: for a momentum outside [0, 1).
    """

    def __init__(
        self,
        task: Task,
        network: Recipe,
        weight: float = WEIGHT,
        ramp: float = RAMP,
        momentum: float = 0.6,
        loss: LossName = "dice_ce",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        super().__init__(task, network, weight, ramp, loss, learning_rate, spatial_dims)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum: got {momentum}, wanted 0 or more, and less than 1")
        self.momentum = momentum
        self.memory: Memory | None = None

    def prepare(
        self, steps: int, unlabelled: Sequence[tuple[int, ...]], labelled: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """Make room for the memory."""
        super().prepare(steps, unlabelled, labelled)
        self.memory = Memory(unlabelled, len(self.task.classes), self.momentum)

    def disagreement(self, batch: Batch, step: int) -> Tensor:
        """||z - Z / (1 - a^t)||^2 where there is a past; then Z <- a Z + (1 - a) z.

        Raises:
            ValueError: before `prepare`, or if it is not known where patches were cut.
        """
        if self.memory is None or batch.views is None:
            raise ValueError("memory: got none, or a batch without views; wanted `prepare` called, and views")
        found = self.student(noisy(self.unlabelled(batch)))
        past, known = self.memory.recall(batch.views)
        self.memory.remember(batch.views, found.detach())
        # a mean over all voxels, so that a few known ones do not weigh as much as a whole patch
        return squared_error(found, torch.where(known.unsqueeze(1), past, found.detach()))

    def forget(self) -> None:
        """The memory is not part of the trained learner."""
        self.memory = None
