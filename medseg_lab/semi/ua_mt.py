"""Uncertainty-aware Mean Teacher [20] (section 3.2)."""

from math import log
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.losses.entropy import entropy
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.noise import noisy
from medseg_lab.semi.teacher import TeacherStudent


class UAMT(TeacherStudent):
    """A Mean Teacher whose consistency counts only where the teacher's entropy is low.

    The teacher predicts an image `passes` times, each under noise and dropout of its own; where the entropy
    of its mean prediction is below a threshold, the student must agree with it. The threshold rises from 3/4
    of the largest entropy there is, ln K, to all of it, as the unlabelled term comes in. Without dropout in
    the network, the input noise alone tells where the teacher is uncertain.

    Args:
        passes: T.
    """

    passes: Annotated[int, Field(ge=1)] = 8

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The squared error over the voxels in which the teacher is certain."""
        image = self.unlabelled(batch)
        student, teacher = self.student(noisy(image)), self.teacher_probabilities(noisy(image))
        return squared_error(student, teacher, kept=self.uncertainty(image) < self.threshold(step))

    @torch.no_grad()
    def uncertainty(self, image: Tensor) -> Tensor:
        """The entropy of the mean of T passes of the teacher, in nats: `(N, *S)`."""
        views = noisy(image.repeat(self.passes, *[1] * (image.ndim - 1))).split(len(image))
        # one after the other: on a processor that is faster than all at once, and takes T times less memory
        return entropy(torch.stack([self.teacher_probabilities(view) for view in views]).mean(dim=0))

    def threshold(self, step: int) -> float:
        """(3/4 + 1/4 ramp) ln K, in nats."""
        return (0.75 + 0.25 * self.ramp_weight(step)) * log(len(self.task.classes))
