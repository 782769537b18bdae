"""Multiple hypotheses [80] (section 4.1.1)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.losses.checks import at_least_float32, check_shapes, known
from medseg_lab.losses.cross_entropy import mean_of_known
from medseg_lab.uncertainty.sampled import Sampled


class MultipleHypotheses(Sampled):
    """One network with M heads; the head nearest to a label learns from it, the others hardly.

    So the heads divide the labels among them (a Voronoi tessellation), and each becomes the mean of its cell:
    where two readings are possible, two heads give one each, and a single head would give their mean. The
    prediction is the mean of the heads. It counts a cell that few labels fall into as much as a large one, so
    its probabilities are not those of the labels: what [80] promises is the set of answers.

    Heads divide the images, too: one that wins where nothing is to be found may say so of every image. And
    one that wins early wins more often; `winners` shows who is idle. A larger epsilon helps against both, and
    makes the answers more alike.

    With one hypothesis it is the supervised twin, bit for bit. The paper's hypothesis dropout is left out:
    epsilon alone keeps a head that never wins from standing still.

    Args:
        hypotheses: M; the network has M K maps.
        epsilon: the share of a label that the heads which do not win have between them.
    """

    hypotheses: Annotated[int, Field(ge=1)] = 4
    epsilon: Annotated[float, Field(ge=0, lt=1)] = 0.05

    def build(self) -> None:
        """The network; its loss must be the cross-entropy, by which the winner is found."""
        super().build()
        self.needs_cross_entropy()
        self.draws = self.hypotheses

    def new_network(self, in_channels: int | None = None, out_channels: int | None = None) -> nn.Module:
        """With the maps of all hypotheses."""
        return super().new_network(in_channels, self.hypotheses * len(self.task.classes))

    def logits(self, image: Tensor) -> Tensor:
        """Those of every hypothesis: `(N, C, *S)` to `(N, M, K, *S)`."""
        maps: Tensor = self.network(image)
        return maps.unflatten(1, (self.hypotheses, len(self.task.classes)))

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One term, the cross-entropy as the winners and the others share it."""
        return {"cross_entropy": winner_takes_most(self.logits(batch.image), batch.label, self.epsilon)}

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The hypotheses in turn: sample i is that of head i mod M."""
        heads = self.heads(image)
        return heads[torch.arange(n, device=heads.device) % self.hypotheses]

    def heads(self, image: Tensor) -> Tensor:
        """The probabilities of each hypothesis, `(M, N, K, *S)`."""
        return self.logits(image).float().softmax(dim=2).movedim(1, 0)


def winner_takes_most(logits: Tensor, label: Tensor, epsilon: float) -> Tensor:
    """Cross-entropy of M hypotheses, each weighted by whether it is the nearest to its patch's label.

        L = sum_m w_m CE_m,  w = 1 - epsilon for the least CE_m of a patch, epsilon / (M - 1) for the others

    It is a mean over known voxels, like `CrossEntropy`, so a patch weighs as much as it has of them.
    Who wins is not differentiated.

    Args:
        logits: `(N, M, K, *S)`, any floating type; the loss is computed in float32 at least.
        label: `(N, *S)`, values 0 to K-1 or `IGNORE`.
        epsilon: the others' share; with one hypothesis there are none.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    log_p = log_likelihood(logits, label)  # (N, M, *S), 0 where unknown
    shares = weights(log_p.detach(), epsilon).unflatten(1, (-1, *[1] * (label.ndim - 1)))
    return -mean_of_known((shares * log_p).sum(dim=1), known(label))


def winners(logits: Tensor, label: Tensor) -> Tensor:
    """Which hypothesis is the nearest to each patch's label, `(N,)`; counted, they show heads that are idle.

    Args:
        logits: `(N, M, K, *S)`.
        label: `(N, *S)`.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    return log_likelihood(logits, label).flatten(2).sum(dim=2).argmax(dim=1)


def log_likelihood(logits: Tensor, label: Tensor) -> Tensor:
    """log p of the true class, hypothesis by hypothesis: `(N, M, K, *S)` to `(N, M, *S)`; 0 where unknown."""
    check_shapes(logits[:, 0], label)
    with torch.autocast(logits.device.type, enabled=False):
        is_known = known(label).unsqueeze(1)  # (N, 1, *S)
        true = (label.unsqueeze(1) * is_known).unsqueeze(2).expand(-1, logits.shape[1], *[-1] * label.ndim)
        log_p = at_least_float32(logits).log_softmax(dim=2).gather(2, true).squeeze(2)
        return log_p.where(is_known, 0)


def weights(log_p: Tensor, epsilon: float) -> Tensor:
    """What each hypothesis learns of each patch, `(N, M)`, from its `log_likelihood`; they sum to 1 over M.

    Of equally good ones the first wins. With a single one the weight is 1, whatever epsilon.
    """
    summed = log_p.flatten(2).sum(dim=2)  # (N, M)
    others = summed.shape[1] - 1
    if not others:
        return torch.ones_like(summed)
    shares = torch.full_like(summed, epsilon / others)
    return shares.scatter(1, summed.argmax(dim=1, keepdim=True), 1 - epsilon)
