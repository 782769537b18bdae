"""Deep cascaded attention network: DCAN [15] (section 2.1.2)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.nested.regions import class_probabilities, region_labels
from medseg_lab.networks.blocks import CONV, crop
from medseg_lab.networks.encoder_decoder import Decoder, encoder_decoder
from medseg_lab.training.learner import Learner


class DCAN(Learner):
    """One encoder and a decoder for each nested region; the map of a region guides the decoder of the next.

    A decoder ends in a sigmoid a, the probability that a voxel is in its region. What the next decoder reads
    of the encoder, it reads as x (1 + a): twice as strong inside. Each region has its loss, as a problem of
    two classes. The probability of a region is the least of its own sigmoid and those outside it, so regions
    are nested whatever the network says.

    Ours: the place of the attention, which is every skip connection and the deepest features, with a averaged
    to their resolution; no gradient passes a, so that each map is taught by its own region alone; and the
    minimum. The network is any `EncoderDecoder`; the inner decoders are those of a U-Net.

    Args:
        attention: False for a = 0: the same network, whose decoders share no more than the encoder.
    """

    network: Any
    attention: bool = True

    def build(self) -> None:
        """The network, which segments the first region, and a decoder and a head for each further one."""
        super().build()
        network, dims = encoder_decoder(self.network), self.task.spatial_dims
        inner = range(len(self.task.nested) - 1)
        self.decoders = nn.ModuleList(Decoder(dims, network.widths, network.strides) for _ in inner)
        self.heads = nn.ModuleList(CONV[dims](network.widths[0], 1, 1) for _ in inner)

    def new_network(self, in_channels: int | None = None, out_channels: int | None = None) -> nn.Module:
        """With a single map, that of the first region."""
        return super().new_network(in_channels, 1)

    def logits(self, image: Tensor) -> Tensor:
        """Of each region, outermost first: `(N, C, *S)` to `(N, L, *S)`; a is their sigmoid."""
        encoded = self.network.encode(image)
        maps = [self.network.scores(encoded, encoded[0].shape[2:])]  # (N, 1, *S), not cropped yet
        for decoder, head in zip(self.decoders, self.heads, strict=True):
            a = maps[-1].detach().sigmoid()
            read = [attended(x, a) for x in encoded] if self.attention else encoded
            maps.append(head(decoder(read)))
        return crop(torch.cat(maps, dim=1), image.shape[2:])

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """A term for each region; notes how much a varies over the voxels: 0 where it is one number."""
        logits = self.logits(batch.image)
        if self.attention and len(self.decoders):
            outer = logits[:, :-1].detach().float().sigmoid().transpose(0, 1).flatten(1)
            self.note(spread=outer.std(dim=1).mean())
        labels = region_labels(batch.label, self.task.nested)
        each = zip(logits.split(1, dim=1), labels.unbind(1), strict=True)
        return {f"region {i}": self.loss(two_classes(z), y) for i, (z, y) in enumerate(each, start=1)}

    def maps(self, image: Tensor) -> Tensor:
        """The sigmoid a of each region, `(N, L, *S)`, as its decoder says it."""
        return self.logits(image).float().sigmoid()

    def predict(self, image: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, K, *S)`, by regions that are nested."""
        return class_probabilities(self.maps(image).cummin(dim=1).values, self.task.nested)


def attended(x: Tensor, a: Tensor) -> Tensor:
    """x (1 + a), with a averaged to the resolution of the features.

    Args:
        x: `(N, F, *S_i)`.
        a: `(N, 1, *S)`, 0 to 1, S a multiple of S_i.
    """
    return x * (1 + F.interpolate(a, size=x.shape[2:], mode="area"))


def two_classes(logit: Tensor) -> Tensor:
    """The logits of "outside" and "inside", `(N, 2, *S)`, whose softmax is the sigmoid of `(N, 1, *S)`."""
    return torch.cat((torch.zeros_like(logit), logit), dim=1)
