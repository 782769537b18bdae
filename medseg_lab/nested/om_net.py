"""One-pass multi-task network: OM-Net [34] (section 2.1.2)."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.nested.regions import class_probabilities, region_labels
from medseg_lab.networks.blocks import CONV, MAX_POOL, conv
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.training.learner import Learner


class OMNet(Learner):
    """One network, a task for each nested region; the prediction of a task guides the channels of the next.

    All tasks read the same decoded features, each but the first through a convolution of its own, and end in
    two classes, outside and inside of their region. Two rules of the paper make a curriculum. Tasks enter
    one after another. And a patch serves all tasks that have entered: for the inner ones those of its voxels
    count that are in the region around theirs, or near it. So the second class of a task is a part of the
    region outside it, and the probability of a region is the product of all tasks so far: regions are nested
    whatever the network says.

    Ours: the paper draws patches of an inner task around voxels of the outer region, where we leave out
    voxels of patches that all tasks share; it enters a task when the loss has levelled off, where we fix the
    step; and no gradient passes from a task to the predictions that guide it. The network is any
    `EncoderDecoder`.

    Args:
        channels: whether the channels of a task are weighted by what the task before predicts.
        gates: whether each voxel is classified by what the task before predicts there.
        entering: the share of the training after which the last task enters; the others do so evenly before.
        margin: voxels around the outer region that an inner task still learns from.
    """

    network: Any
    channels: bool = True
    gates: bool = True
    entering: Annotated[float, Field(ge=0, lt=1)] = 0.4
    margin: Annotated[int, Field(ge=0)] = 4

    def build(self) -> None:
        """The network, whose head is that of the first task, and what each further task has of its own."""
        super().build()
        network, dims = encoder_decoder(self.network), self.task.spatial_dims
        width, inner = network.widths[0], range(len(self.task.nested) - 1)
        self.own = nn.ModuleList(conv(dims, width, width) for _ in inner)
        self.guided = nn.ModuleList(CrossTaskAttention(dims, width, self.channels, self.gates) for _ in inner)

    def new_network(self, in_channels: int | None = None, out_channels: int | None = None) -> nn.Module:
        """With the two classes of the first task."""
        return super().new_network(in_channels, 2)

    def entered(self, step: int) -> int:
        """How many tasks learn in this step."""
        last = len(self.task.nested) - 1
        return 1 + sum(step >= self.entering * self.steps * task / last for task in range(1, last + 1))

    def logits(self, image: Tensor, tasks: int | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Those of each task, `(N, 2, *S)`, and the weights of each guided one's channels, `(N, 2, F)`.

        Args:
            image: `(N, C, *S)`.
            tasks: how many are computed, None for all.
        """
        shared = self.network.decode(self.network.encode(image), image.shape[2:])  # (N, F, *S)
        logits, weights = [self.network.head(shared)], []
        inside = probability(logits[0]).detach()  # (N, 1, *S)
        for own, guided in list(zip(self.own, self.guided, strict=True))[: tasks and tasks - 1]:
            found, used = guided(own(shared), inside)
            logits.append(found)
            weights.append(used)
            inside = inside * probability(found).detach()
        return logits, weights

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """A term for each task that has entered; notes how differently the two classes weight channels."""
        logits, weights = self.logits(batch.image, self.entered(step))
        if self.channels and weights:
            self.note(difference=torch.stack(weights).diff(dim=2).abs().float().mean())
        labels = region_labels(batch.label, self.task.nested).unbind(1)
        taught = [labels[0], *(near(inner, outer, self.margin) for outer, inner in pairwise(labels))]
        each = enumerate(zip(logits, taught, strict=False), start=1)
        return {f"region {i}": self.loss(z, y) for i, (z, y) in each}

    def maps(self, image: Tensor) -> Tensor:
        """The probability of each region, `(N, L, *S)`: that of the tasks so far, multiplied."""
        return torch.cat([probability(z) for z in self.logits(image)[0]], dim=1).cumprod(dim=1)

    def channel_weights(self, image: Tensor) -> Tensor:
        """How the channels of each guided task are weighted outside and inside, `(L - 1, N, 2, F)`."""
        return torch.stack(self.logits(image)[1])

    def predict(self, image: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, K, *S)`, by regions that are nested."""
        return class_probabilities(self.maps(image), self.task.nested)


class CrossTaskAttention(nn.Module):
    """Classifies voxels twice, as outside and as inside of the previous task's region, by other channels.

    What the previous task takes for each of its two classes has channel weights and a 1x1 convolution of its
    own; each voxel has the mean of the two answers, weighted by the previous task's probabilities there. The
    authors end in another 1x1 convolution of the two logits, which is left out.

    Args:
        spatial_dims: 2 or 3.
        width: F, the channels that it reads.
        channels: False weights all channels with 1.
        gates: False takes the plain mean of the two answers.
    """

    def __init__(self, spatial_dims: int, width: int, channels: bool = True, gates: bool = True) -> None:
        super().__init__()
        self.channels, self.gates = channels, gates
        self.heads = nn.ModuleList(CONV[spatial_dims](width, 2, 1) for _ in ("outside", "inside"))

    def forward(self, x: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, 2, *S)` and channel weights `(N, 2, F)`.

        Args:
            x: `(N, F, *S)`, the features of this task.
            inside: `(N, 1, *S)`, the probability of the region outside, by the tasks before.
        """
        p = torch.cat((1 - inside, inside), dim=1)  # (N, 2, *S)
        weights = channel_weights(x, p) if self.channels else x.new_ones(len(x), 2, x.shape[1])
        scale = weights.unflatten(2, (-1, *[1] * (x.ndim - 2)))  # (N, 2, F, 1, ...)
        answers = [head(x * scale[:, k]) for k, head in enumerate(self.heads)]
        gates = p if self.gates else torch.full_like(p, 0.5)
        return gates[:, :1] * answers[0] + gates[:, 1:] * answers[1], weights


def channel_weights(x: Tensor, p: Tensor) -> Tensor:
    """How much each channel counts for each class, `(N, 2, F)`: 1 on average if no feature is negative.

    m, the mean of the features over the voxels of a class, divided by its L1 norm, says how the class shares
    its activity among the F channels: 1/F each, if all are alike. The weight is (1 + F m) / 2, half identity
    and half rescaling. Ours are F and the half, which keep the features' size; a convolution follows anyway.

    Args:
        x: `(N, F, *S)`.
        p: `(N, 2, *S)`, the probability of each class.
    """
    m = F.normalize(p.flatten(2) @ x.flatten(2).transpose(1, 2).to(p.dtype), p=1, dim=2)  # (N, 2, F)
    return (1 + x.shape[1] * m) / 2


def probability(logits: Tensor) -> Tensor:
    """Of the second of two classes, in float32: `(N, 2, *S)` to `(N, 1, *S)`."""
    return logits.float().softmax(dim=1)[:, 1:]


def near(label: Tensor, outer: Tensor, margin: int) -> Tensor:
    """A label `(N, *S)` with `IGNORE` where the outer region is farther away than so many voxels."""
    grown = MAX_POOL[label.ndim - 1](2 * margin + 1, stride=1, padding=margin)
    return label.where(grown((outer == 1).float()) > 0, IGNORE)
