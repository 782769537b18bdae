"""Uncertainty-aware Mean Teacher [20] (section 3.2)."""

from math import log

import torch
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.losses.entropy import entropy
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import RAMP, WEIGHT
from medseg_lab.semi.noise import noisy
from medseg_lab.semi.teacher import TeacherStudent, Who
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.supervised import LossName


class UAMT(TeacherStudent):
    """A Mean Teacher who is heeded only where it is sure.

    The teacher looks at an image `passes` times, each under noise and dropout of its own; where the entropy
    of its mean prediction is below a threshold, the student must agree with it. The threshold rises from 3/4
    of the largest entropy there is, ln K, to all of it, as the unlabelled term comes in.

    Args:
        task, network, weight, ramp, decay, predicts, loss, learning_rate, spatial_dims: as in
            `TeacherStudent`. Without dropout in the network, noise alone tells where the teacher is unsure.
        passes: T.
    """

    def __init__(
        self,
        task: Task,
        network: Recipe,
        weight: float = WEIGHT,
        ramp: float = RAMP,
        decay: float = 0.99,
        passes: int = 8,
        predicts: Who = "teacher",
        loss: LossName = "dice_ce",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        super().__init__(task, network, weight, ramp, decay, predicts, loss, learning_rate, spatial_dims)
        if passes < 1:
            raise ValueError(f"passes: got {passes}, wanted 1 or more")
        self.passes = passes

    def disagreement(self, batch: Batch, step: int) -> Tensor:
        """The squared error over the voxels of which the teacher is sure."""
        image = self.unlabelled(batch)
        student, teacher = self.student(noisy(image)), self.taught(noisy(image))
        return squared_error(student, teacher, kept=self.uncertainty(image) < self.threshold(step))

    @torch.no_grad()
    def uncertainty(self, image: Tensor) -> Tensor:
        """The entropy of the mean of T passes of the teacher, in nats: `(N, *S)`."""
        views = noisy(image.repeat(self.passes, *[1] * (image.ndim - 1))).split(len(image))
        # one after the other: on a processor that is faster than all at once, and takes T times less memory
        return entropy(torch.stack([self.taught(view) for view in views]).mean(dim=0))

    def threshold(self, step: int) -> float:
        """(3/4 + 1/4 ramp) ln K, in nats."""
        return (0.75 + 0.25 * self.came_in(step)) * log(len(self.task.classes))
