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

Share = Annotated[float, Field(ge=0, le=1)]


class UAMT(TeacherStudent):
    """A Mean Teacher whose consistency counts only where the teacher's entropy is low.

    The teacher predicts an image `passes` times, each under noise and dropout of its own; where the entropy
    of its mean prediction is below a threshold, the student must agree with it. The threshold rises as the
    unlabelled term comes in. Without dropout in the network, the input noise alone tells where the teacher is
    uncertain. Noted are the share of voxels that count, `kept`, and their share of the squared error before
    the mask, `kept_of_error`: a mask may act on few voxels that hold most of the error.

    Departure: the authors' student sees the unlabelled image without noise, ours with noise of its own, so
    that the mask is all that tells it from a `MeanTeacher`.

    Args:
        passes: T.
        threshold: its first and its last value, in shares of the largest entropy there is, ln K. The authors'
            last value keeps all voxels.
    """

    passes: Annotated[int, Field(ge=1)] = 8
    threshold: tuple[Share, Share] = (0.75, 1.0)

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The squared error over the voxels in which the teacher is certain."""
        image = self.unlabelled(batch)
        student, teacher = self.student(noisy(image)), self.teacher_probabilities(noisy(image))
        kept = self.uncertainty(image) < self.limit(step)
        apart = (student - teacher).detach().square().sum(dim=1)
        of_error = (apart * kept).sum() / apart.sum().clamp(min=1e-12)
        self.note(kept=kept.float().mean(), kept_of_error=of_error)
        return squared_error(student, teacher, kept=kept)

    @torch.no_grad()
    def uncertainty(self, image: Tensor) -> Tensor:
        """The entropy of the mean of T passes of the teacher, in nats: `(N, *S)`."""
        views = noisy(image.repeat(self.passes, *[1] * (image.ndim - 1))).split(len(image))
        # one after the other: on a processor that is faster than all at once, and takes T times less memory
        return entropy(torch.stack([self.teacher_probabilities(view) for view in views]).mean(dim=0))

    def limit(self, step: int) -> float:
        """The threshold of this step, in nats: (3/4 + 1/4 ramp) ln K by default."""
        first, last = self.threshold
        return (first + (last - first) * self.ramp_weight(step)) * log(len(self.task.classes))
