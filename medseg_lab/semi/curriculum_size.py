"""Curriculum by size: first how large regions are, then where, Kervadec et al. [61] (section 3.1)."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.networks.blocks import CONV, conv
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.ramp import ramp_up
from medseg_lab.training.learner import Phase

RARE = -3.0
"""A logit: at first each class takes 5% of a patch, as the regions of medical images roughly do."""


class SizeRegressor(nn.Module):
    """The share of a patch that each foreground class takes, `(N, C, *S)` to `(N, K-1)`.

    Three convolutions that each halve the image, one more, then in each coarse cell the share of the cell;
    the mean over the cells is the share of the patch. So a size is a sum over places: after an instance norm
    the mean of a channel is the same in every image, and says nothing of how much of something there is.

    Args:
        spatial_dims: 2 or 3.
        channels: C.
        foreground: K - 1.
        width: channels after the first convolution, doubled by each of the next three convolutions.
    """

    def __init__(self, spatial_dims: int, channels: int, foreground: int, width: int) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        self.features = nn.Sequential(
            *(conv(spatial_dims, here, below, stride=2) for here, below in pairwise(widths)),
            conv(spatial_dims, 4 * width, 8 * width),
        )
        self.shares = CONV[spatial_dims](8 * width, foreground, 1)

    def forward(self, image: Tensor) -> Tensor:
        """`(N, C, *S)` to shares `(N, K-1)`, each between 0 and 1."""
        of_cells: Tensor = (self.shares(self.features(image)).float() + RARE).sigmoid()
        return of_cells.flatten(2).mean(dim=2)


class CurriculumSize(Consistency):
    """Learn the size of each class first, then hold predictions on unlabelled images near that size.

    A size is a number of voxels in a patch. A `SizeRegressor` learns it from the labelled patches in the
    first part of the training, with an optimiser of its own, and is frozen then; meanwhile the network learns
    from the labels as its supervised twin does. From then on `size_penalty` asks of each class of an
    unlabelled patch that the sum s of its probabilities lies within (1 - tolerance) R and (1 + tolerance) R,
    where R is the predicted size. A size within these bounds has no gradient. No voxel is given a label.

    Noted: `outside`, the share of sizes on which the penalty acts; and `size_error`, how far the regressor is
    off on labelled patches: the sum of |R - s| over the sum of s, the true sizes of all classes.

    Departures: the authors train the regressor apart, on whole slices. The weight comes in by a ramp, like
    those of all methods in `semi`. Of several classes the penalties are added. A voxel that nobody annotated
    counts as background, so labels should be complete.

    Args:
        weight: lambda; the authors' by default.
        tolerance: gamma, how far a size may be off, over R.
        factor: R is multiplied by it: a prior that is wrong on purpose (section 5.4).
        first: the share of the training in which sizes are learned. Of one that is as short as a chapter's,
            sizes need half: after 300 steps R was off by a third to a half on other patients.
        width: channels of the regressor's first convolution.
    """

    weight: Annotated[float, Field(ge=0)] = 0.01
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.1
    factor: Annotated[float, Field(gt=0)] = 1.0
    first: Annotated[float, Field(gt=0, lt=1)] = 1 / 2
    width: Annotated[int, Field(ge=1)] = 16

    term = "size"

    def build(self) -> None:
        """The network, then the regressor: the network's weights are those of its twin."""
        super().build()
        dims, channels = self.task.spatial_dims, self.task.channels
        self.regressor = SizeRegressor(dims, channels, len(self.task.foreground), self.width)

    def phases(self) -> list[Phase]:
        """Segment; and learn sizes, until they are frozen."""
        segment = Phase("segment", self.network.parameters(), self.losses)
        if self.weight == 0:
            return [segment]
        sizes = Phase("regressor", self.regressor.parameters(), self.size_losses, rate=self.size_rate)
        return [segment, sizes]

    def size_rate(self, step: int) -> float:
        """Of the learning rate: it falls to nothing while sizes are learned."""
        return max(0.0, 1 - step / self.size_steps)

    @property
    def size_steps(self) -> int:
        """How many steps the regressor learns."""
        return max(1, round(self.first * self.steps))

    def ramp_weight(self, step: int) -> float:
        """0 while sizes are learned; then the ramp, over its share of what is left."""
        left = self.steps - self.size_steps
        return 0.0 if step < self.size_steps else ramp_up(step - self.size_steps, self.ramp * left)

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """w(step) L_U; nothing while sizes are learned."""
        return super().unsupervised(batch, step) if step >= self.size_steps else {}

    def size_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The mean squared error of roots of shares: of diameters, so that small regions count, too."""
        shares = self.regressor(batch.image)
        true = sizes(batch.label, len(self.task.classes)) / batch.label[0].numel()
        if true.any():
            self.note(size_error=(shares.detach() - true).abs().sum() / true.sum())
        return {"roots": F.mse_loss(shares.sqrt(), true.sqrt())}

    def expected_sizes(self, image: Tensor) -> Tensor:
        """R: the voxels that each foreground class is predicted to take, `(N, C, *S)` to `(N, K-1)`."""
        with torch.no_grad():
            shares: Tensor = self.regressor(image)
        return self.factor * shares * image[0, 0].numel()

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The mean over unlabelled patches of the penalties of their classes, over the patch's voxels."""
        image = self.unlabelled(batch)
        found = self.student(image)[:, 1:].flatten(2).sum(dim=2)  # (M, K-1)
        penalty = size_penalty(found, self.expected_sizes(image), self.tolerance)
        self.note(outside=(penalty > 0).float().mean())
        return penalty.sum(dim=1).mean() / image[0, 0].numel()


def sizes(label: Tensor, classes: int) -> Tensor:
    """The voxels of each foreground class of labels `(N, *S)`, as float32 `(N, K-1)`."""
    return torch.stack([(label == k).flatten(1).sum(dim=1) for k in range(1, classes)], dim=1).float()


def size_penalty(found: Tensor, expected: Tensor, tolerance: float) -> Tensor:
    """The squared distance of each size s of `found` from the bounds around its `expected` size R.

    With a = (1 - tolerance) R and b = (1 + tolerance) R: (a - s)^2 below a, (s - b)^2 above b, and 0 between.
    """
    below = (1 - tolerance) * expected - found
    above = found - (1 + tolerance) * expected
    return below.clamp(min=0).square() + above.clamp(min=0).square()
