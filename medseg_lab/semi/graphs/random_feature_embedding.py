"""Random feature embedding: Baur et al. [68] (section 3.3)."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.networks.measure import kept_bytes
from medseg_lab.semi.trained_first import TrainedFirst

SHORT = 0.1
"""A shorter feature vector is not stretched to unit length: its gradient would be huge, and infinite at 0."""


class RandomFeatureEmbedding(TrainedFirst):
    """Features of pixels with one label are pulled together, those of pixels with different labels apart.

    L = L_S + w(t) L_E. A graph joins the pixels of a patch, two and two: on a labelled patch the label says
    whether the two are alike, on an unlabelled one the network's own prediction. L_E is the margin loss
    (`margin_loss`) of what they are to the last layer, its features. All pairs of n pixels are n^2 cosines to
    be kept for the backward pass, so only some pixels of each patch are drawn, as many of each class as far
    as they are there (`balanced`).

    Pairs of all pixels cost seconds a step, so that they are compared in a training of few steps.

    Noted: `pair_memory_mb`, what the backward pass of L_E needs beyond the features, counted in the step
    itself (`kept_bytes`), in MB (1e6 bytes); and `too_close`, the share of the pairs with different labels
    that the margin still pushes apart.

    Departures: the authors train from the first step on, embed features of several layers, and take for the
    unlabelled images a prior that is noisy on purpose. Pairs here lie within one patch.

    Args:
        weight: of L_E.
        sampled: pixels of each patch, all where it has no more; None for all of any patch.
        margin: the cosine below which different pixels are far enough apart; 0 is a right angle.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    sampled: Annotated[int, Field(ge=2)] | None = 256
    margin: Annotated[float, Field(ge=-1, lt=1)] = 0.0

    term = "embedding"

    def build(self) -> None:
        """The network, which is to have features that its last layer reads."""
        super().build()
        encoder_decoder(self.network)

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """L_E: the mean over all patches, those with labels first."""
        image = torch.cat((batch.image, self.unlabelled(batch)))
        network: Any = self.network
        features = network.decode(network.encode(image), image.shape[2:])  # (N, F, *S)
        with torch.no_grad():
            label = network.head(features).argmax(dim=1)  # (N, *S)
        label[: len(batch.label)] = batch.label
        terms: list[tuple[Tensor, Tensor]] = []
        with torch.autocast(image.device.type, enabled=False):
            kept = kept_bytes(lambda: terms.extend(self.of_patches(features, label)), [features])
        losses, too_close = zip(*terms, strict=True)
        self.note(pair_memory_mb=kept / 1e6, too_close=torch.stack(too_close).mean())
        return torch.stack(losses).mean()

    def of_patches(self, features: Tensor, label: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The margin loss of each patch, features `(N, F, *S)` and labels `(N, *S)`."""
        pixels, label = features.flatten(2).mT, label.flatten(1)  # (N, P, F), (N, P)
        if self.sampled is not None and self.sampled < label.shape[1]:
            index = balanced(label, self.sampled)  # (N, n)
            pixels, label = pixels.take_along_dim(index[..., None], dim=1), label.take_along_dim(index, dim=1)
        return [margin_loss(*one, self.margin) for one in zip(pixels, label, strict=True)]


def margin_loss(features: Tensor, label: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """How far pixels with one label are apart, and how much too close those with different labels are.

    The mean of 1 - c_ij over the pairs that are alike, and the mean of max(0, c_ij - m) over the others,
    added; c_ij is the cosine of the angle between two pixels' features, and a pair is two different pixels.
    Of vectors of unit length 1 - c_ij is half the squared distance.

    Args:
        features: of n pixels, `(n, F)`.
        label: `(n,)`; pixels that nobody annotated are left out.
        margin: m.

    Returns:
        The loss, and the share of the pairs with different labels that are too close: scalars.
    """
    features, label = features[label != IGNORE], label[label != IGNORE]
    unit = F.normalize(features.float(), dim=1, eps=SHORT)  # (n, F)
    member = (label[:, None] == label.unique()).to(unit)  # (n, K)
    sizes = member.sum(dim=0)
    alike, pairs = sizes.square().sum() - len(label), len(label) ** 2 - sizes.square().sum()
    # the sum of all cosines within a class is the squared length of its sum; so they need no matrix
    near = (member.T @ unit).square().sum() - unit.square().sum()
    together = (alike - near) / alike.clamp(min=1)
    # c_ij, less 2 for alike pixels, which are never too close then: one matrix (n, n), kept once
    cosine = torch.cat((unit, -2 * member), dim=1) @ torch.cat((unit, member), dim=1).T
    excess = F.relu(cosine.sub_(margin), inplace=True)
    pairs = pairs.clamp(min=1)
    return together + excess.sum() / pairs, excess.count_nonzero() / pairs


def balanced(label: Tensor, number: int) -> Tensor:
    """Pixels, drawn without replacement, each class as likely as another: `(N, P)` to indices `(N, number)`.

    Where a class has too few pixels, all of them are likely to be drawn, and others take the places left;
    pixels that nobody annotated come last.
    """
    chance = torch.full(label.shape, 1e-12, device=label.device)
    for k in label.unique():
        if k != IGNORE:
            of_class = label == k
            chance += of_class / of_class.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.multinomial(chance, number)
