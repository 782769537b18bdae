"""A student that learns, and a teacher whose weights are the student's running mean [66]."""

from copy import deepcopy
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from medseg_lab.semi.consistency import Consistency


class TeacherStudent(Consistency):
    """Holds a second network that no gradient moves: after each step it moves towards the first.

    The teacher begins as a copy of the student. In training it is in training mode, too, so that its dropout
    is part of its noise.

    Args:
        decay: alpha at the end; see `decay_at`.
        predicts: who predicts after training. The papers [66, 19] take the teacher. A mean of weights may be
            better than the weights by itself, without an unlabelled image: `weight=0` is that control, the
            supervised twin with its weights averaged, at the twin's cost.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    predicts: Literal["teacher", "student"] = "teacher"

    def build(self) -> None:
        """The student's network, and the teacher's."""
        super().build()
        self.teacher = deepcopy(self.network).requires_grad_(False)

    def predict(self, image: Tensor) -> Tensor:
        """Probabilities `(N, K, *S)` of the teacher, or of the student if it `predicts`."""
        return self.teacher_probabilities(image) if self.predicts == "teacher" else self.student(image)

    @torch.no_grad()
    def teacher_probabilities(self, image: Tensor) -> Tensor:
        """The teacher's probabilities, `(N, K, *S)`; no gradient flows into it."""
        logits: Tensor = self.teacher(image)
        return logits.float().softmax(dim=1)

    def after_step(self, step: int) -> None:
        """teacher <- alpha teacher + (1 - alpha) student."""
        move(self.teacher, self.network, decay_at(step, self.decay))


def decay_at(step: int, decay: float) -> float:
    """alpha = min(1 - 1 / (t + 1), decay) at step t = 0, 1, ...

    So the teacher is the plain mean of the student's weights after each step at first, and forgets later.
    """
    return min(1 - 1 / (step + 1), decay)


@torch.no_grad()
def move(teacher: nn.Module, student: nn.Module, alpha: float) -> None:
    """All parameters in one fused call; buffers (of batch norm) are copied, since they are means already."""
    fused = get_ema_multi_avg_fn(alpha)
    fused(list(teacher.parameters()), list(student.parameters()), 1)
    for mine, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
        mine.copy_(theirs)


def as_student(learner: TeacherStudent) -> TeacherStudent:
    """The same trained learner, with the student predicting: what the teacher adds at prediction.

    A recipe, `as_student(learner=...)`, that judges a run once more and trains nothing.

    Raises:
        ValueError: for a learner without a teacher.
    """
    if not isinstance(learner, TeacherStudent):
        raise ValueError(f"learner: expected one with a teacher, got {type(learner).__name__}")
    learner.predicts = "student"
    return learner
