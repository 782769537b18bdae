"""Further tasks beside the segmentation, and what they send to the network (survey 2.2.3)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.losses.checks import known
from medseg_lab.losses.cross_entropy import mean_of_known
from medseg_lab.networks.blocks import CONV, MAX_POOL
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.training.supervised import Supervised


class Multitask(Supervised):
    """Full supervision of the pixels, and a head on the deepest features that says which classes are there.

    The heads are trained beside the decoder and take no part in a prediction, so whatever they change, they
    change by their gradient. Its share is noted: `gradient_share` is the length of the gradient that reaches
    the deepest features from the further tasks, over that length and the decoder's together. Weights are
    0.1 by default: with 0.5, nine tenths of it and more came from heads that read the whole patch.

    A method says in `tasks` what the further losses are. The network is any `EncoderDecoder`.
    """

    def build(self) -> None:
        """The network, and the head: a 1x1 convolution with a logit for each foreground class."""
        super().build()
        network, dims = encoder_decoder(self.network), self.task.spatial_dims
        self.presence = CONV[dims](network.widths[-1], len(self.task.foreground), 1)
        self.lengths: dict[str, Tensor] = {}

    def tasks(self, deepest: Tensor, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The further losses, with their weights.

        Args:
            deepest: the coarsest features, `(N, F, *S')`.
            logits: of the pixels, `(N, K, *S)`.
            label: `(N, *S)`.
        """
        raise NotImplementedError

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss of the pixels, and those of the further tasks."""
        *finer, deepest = self.network.encode(batch.image)
        read = self.measured("pixels", deepest)
        logits = self.network.scores([*finer, read], batch.image.shape[2:])
        further = self.tasks(self.measured("tasks", deepest), logits, batch.label)
        return self.of_pixels([self.measured("loss", logits)], batch) | further

    def measured(self, reader: str, x: Tensor) -> Tensor:
        """The same tensor for one of its readers; the length of the gradient that comes back is kept."""
        branch = x.view_as(x)
        if branch.requires_grad:
            branch.register_hook(lambda gradient: self.lengths.update({reader: gradient.float().norm()}))
        return branch

    def share(self, of: str, beside: str) -> Tensor:
        """What one reader sent in the latest step, of what two readers of a tensor sent: 0 to 1."""
        mine, other = self.lengths[of], self.lengths[beside]
        return mine / (mine + other).clamp(min=torch.finfo(mine.dtype).tiny)

    def after_step(self, step: int) -> None:
        """Note the share of the gradient."""
        self.note(gradient_share=self.share("tasks", "pixels"))

    def cell(self) -> tuple[int, ...]:
        """The pixels of the image, along each axis, that one of the deepest features stands for."""
        sides = [1] * self.task.spatial_dims
        for stride in self.network.strides:
            each: Sequence[int] = [stride] * len(sides) if isinstance(stride, int) else stride
            sides = [side * more for side, more in zip(sides, each, strict=True)]
        return tuple(sides)


def present(label: Tensor, classes: int, cell: Sequence[int] | None = None) -> Tensor:
    """Which foreground classes are there, in the patch or in each cell of a grid: 1, 0, or `IGNORE`.

    A class that was not found, where some voxel is not annotated, is unknown.

    Args:
        label: `(N, *S)`, int64.
        classes: K.
        cell: the sides of a cell in voxels; the last one may be cut. None for the whole patch.

    Returns:
        int64 `(N, K-1, *G)`, G the cells along each axis; all 1 for the whole patch.
    """
    any_of: Any = strongest
    if cell is not None:
        any_of = MAX_POOL[label.ndim - 1](tuple(cell), stride=tuple(cell), ceil_mode=True)
    wanted = torch.arange(1, classes, device=label.device).view(1, -1, *[1] * (label.ndim - 1))
    found = any_of((label.unsqueeze(1) == wanted).float()).long()  # (N, K-1, *G)
    unknown = any_of((label.unsqueeze(1) == IGNORE).float()) > 0  # (N, 1, *G)
    return found.masked_fill(unknown & (found == 0), IGNORE)


def presence_loss(logits: Tensor, there: Tensor) -> Tensor:
    """Binary cross-entropy of each class in each cell, averaged over those that are known: a scalar.

    Args:
        logits: `(N, K-1, *G)`.
        there: the same shape, as `present` gives it.
    """
    is_known = known(there)
    wanted = (there * is_known).float()
    return mean_of_known(
        F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none"), is_known
    )


def strongest(x: Tensor) -> Tensor:
    """The largest value of each channel over space, `(N, F, *S)` to `(N, F, 1, ...)`.

    Not the mean: after an instance norm the mean of a channel is nearly the same in every image.
    """
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)
