"""Full supervision: one network, one loss, labels for every patch (survey 2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.reading import Reading, checked_reading
from medseg_lab.data.task import Task
from medseg_lab.losses.combined import dice_ce
from medseg_lab.losses.cross_entropy import cross_entropy
from medseg_lab.losses.dice import dice_loss
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe

LossName = Literal["dice_ce", "dice", "cross_entropy"]
LOSSES = {"dice_ce": dice_ce, "dice": dice_loss, "cross_entropy": cross_entropy}


class Supervised(Learner):
    """Minimise a loss of the network's logits against the label.

    A network with `heads` (U-Net++ [28]) is trained with deep supervision: the loss is the mean over its
    heads, each at full resolution.

    Args:
        task: the problem as the cohort poses it.
        network: called with `in_channels`, `out_channels` and `spatial_dims`.
        loss: the name of the loss.
        learning_rate: peak of the schedule.
        spatial_dims: 2 to learn slice by slice on a cohort of volumes; None for the cohort's own dimension.
        reading: whose labels it is taught, where a case has several raters.

    Raises:
        ValueError: for an unknown loss or reading, naming the known ones.
    """

    def __init__(
        self,
        task: Task,
        network: Recipe,
        loss: LossName = "dice_ce",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
        reading: Reading = "reference",
    ) -> None:
        super().__init__(task if spatial_dims is None else replace(task, spatial_dims=spatial_dims))
        self.reading = checked_reading(reading)
        if loss not in LOSSES:
            raise ValueError(f"loss: got {loss!r}, wanted one of {', '.join(get_args(LossName))}")
        self.loss = loss
        self.learning_rate = learning_rate
        self.network: torch.nn.Module = network.build(
            in_channels=self.task.channels,
            out_channels=len(self.task.classes),
            spatial_dims=self.task.spatial_dims,
        )

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One term, named after the loss."""
        heads: Callable[[Tensor], tuple[Tensor, ...]] | None = getattr(self.network, "heads", None)
        outputs = heads(batch.image) if heads else (self.network(batch.image),)
        terms = [LOSSES[self.loss](logits, batch.label) for logits in outputs]
        return {self.loss: torch.stack(terms).mean()}

    def predict(self, image: Tensor) -> Tensor:
        """Softmax of the logits, in float32: `(N, C, *S)` to `(N, K, *S)`."""
        logits: Tensor = self.network(image)
        return logits.float().softmax(dim=1)

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` times the one prediction it has, `(n, N, K, *S)`: it knows of no other."""
        found = self.predict(image)
        return found.expand(n, *found.shape)
