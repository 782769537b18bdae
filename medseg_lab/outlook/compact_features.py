"""Compact features: classes that are narrow and far apart before the last layer (survey 5.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.blocks import crop
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.semi.graphs.random_feature_embedding import SHORT, balanced
from medseg_lab.training.supervised import Supervised


class CompactFeatures(Supervised):
    """Features of a class are pulled to their mean direction, and the mean directions of classes apart.

    L = L_S + w L_C on labelled patches. The survey asks for features with which "the extracted target regions
    are more compact, and as far from those of the background as possible". A pixel's features are what the
    last layer reads. L_C is `compactness` of some pixels of the batch, drawn from each patch, as many of each
    class as far as they are there (`balanced`); so a small organ counts as much as the background. Features
    are taken from the forward pass of L_S, which costs nothing more.

    Noted: `within` and `between`, the mean cosines that the two parts of L_C move. Labels alone come to .89
    and .18 on the patients that they learn from, this term at its default weight to .91 and .07.

    The weight is chosen by validation Dice on msd-hippocampus with two labelled patients and two seeds: .756
    by labels alone, .760 at .3, .722 at 1. (The control came to .774.) With the labels of all patients there
    is nothing to gain: .829 alone, .826 with the term (one seed); so the chapter asks with few.

    Args:
        weight: w; at 0 the training is that of its supervised twin, bit for bit.
        margin: the cosine below which two classes are far enough apart; 0 is a right angle.
        sampled: pixels of each patch, all where it has no more.
        geometry: False is the control: in place of L_C the cross-entropy of the same pixels, mean over their
            classes. They are a sample in which small classes count as much as large ones, and what that alone
            gains is no matter of features.
    """

    weight: Annotated[float, Field(ge=0)] = 0.3
    margin: Annotated[float, Field(ge=-1, lt=1)] = 0.0
    sampled: Annotated[int, Field(ge=2)] = 256
    geometry: bool = True

    def build(self) -> None:
        """The network, which is to have features that its last layer reads."""
        super().build()
        encoder_decoder(self.network)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term, and the weighted L_C of the same forward pass."""
        if self.weight == 0:
            return super().losses(batch, step)
        with read_by_head(self.network) as read:
            found = super().losses(batch, step)
        with torch.autocast(batch.image.device.type, enabled=False):
            pixels, label = self.drawn(read[-1].float(), batch.label)
            term = self.compactness(pixels, label) if self.geometry else self.balanced_loss(pixels, label)
        return found | {"compactness" if self.geometry else "balanced": self.weight * term}

    def drawn(self, features: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """The sample: of maps `(N, F, *S)` and labels `(N, *S)` to pixels `(n, F)` and `(n,)`."""
        known = label.flatten(1)  # (N, P)
        index = balanced(known, min(self.sampled, known.shape[1]))
        pixels = crop(features, label.shape[1:]).flatten(2).mT.take_along_dim(index[..., None], dim=1)
        return pixels.flatten(0, 1), known.take_along_dim(index, dim=1).flatten()

    def compactness(self, pixels: Tensor, label: Tensor) -> Tensor:
        """L_C; notes the geometry."""
        found = compactness(pixels, label, self.margin)
        self.note(within=found.within.detach(), between=found.between.detach())
        return found.pull + found.push

    def balanced_loss(self, pixels: Tensor, label: Tensor) -> Tensor:
        """The cross-entropy that the last layer has on the pixels, mean over the classes of its means."""
        as_maps = pixels.T.view(1, -1, len(pixels), *[1] * (self.task.spatial_dims - 1))
        log_p = self.network.head(as_maps).flatten(2)[0].log_softmax(dim=0)  # (K, n)
        each = [-log_p[k, label == k].mean() for k in label[label != IGNORE].unique().tolist()]
        return torch.stack(each).mean() if each else log_p.sum() * 0


class Compactness(NamedTuple):
    """The geometry of pixels' features; scalars.

    Args:
        pull: 1 - `within`.
        push: the mean over the pairs of classes of max(0, cosine of their prototypes - margin).
        within: the mean over the classes of the mean cosine of a pixel and its own prototype.
        between: the mean cosine of the prototypes of two classes; 0 where there is one class alone.
    """

    pull: Tensor
    push: Tensor
    within: Tensor
    between: Tensor


def compactness(features: Tensor, label: Tensor, margin: float) -> Compactness:
    """How narrow each class is, and how near the classes are to each other.

    The prototype of a class is the direction of the mean of its pixels' features, each scaled to unit length.

    Args:
        features: of n pixels, `(n, F)`.
        label: `(n,)`; pixels that nobody annotated are left out.
        margin: the cosine of two prototypes below which nothing pushes them.
    """
    unit, member, prototypes = directions(features, label)
    share = member / member.sum(dim=0)
    within = ((unit @ prototypes.T) * share).sum() / max(1, len(prototypes))
    first, second = torch.triu_indices(len(prototypes), len(prototypes), offset=1)
    pairs = (prototypes[first] * prototypes[second]).sum(dim=1)
    count = max(1, len(pairs))
    return Compactness(1 - within, F.relu(pairs - margin).sum() / count, within, pairs.sum() / count)


def directions(features: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The known pixels' features at unit length, their classes, and the prototypes of the classes.

    Args:
        features, label: as in `compactness`.

    Returns:
        `(m, F)`, of the m pixels that somebody annotated; `(m, K)`, 1 for the class of a pixel, else 0, for
        the K classes that are there; `(K, F)`.
    """
    features, label = features[label != IGNORE], label[label != IGNORE]
    unit = F.normalize(features.float(), dim=1, eps=SHORT)
    member = (label[:, None] == label.unique()).to(unit)
    means = (member / member.sum(dim=0)).T @ unit
    return unit, member, F.normalize(means, dim=1, eps=SHORT)


@contextmanager
def read_by_head(network: Any) -> Iterator[list[Tensor]]:
    """Inside, whatever the last layer of an `EncoderDecoder` reads is added to the list: `(N, F, *S)`.

    S is that of the padded image (`networks.blocks.crop` cuts it to the image's).
    """
    read: list[Tensor] = []
    hook = network.head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    try:
        yield read
    finally:
        hook.remove()
