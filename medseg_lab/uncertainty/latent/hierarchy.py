"""What PHiSeg [82] is built of: latent maps from coarse to fine, and what reads the segmentation off them."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.blocks import CONV, DoubleConv, up
from medseg_lab.networks.encoder_decoder import Decoder, EncoderDecoder, Stride
from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, ToGaussian, with_he_weights

LINEAR = {2: "bilinear", 3: "trilinear"}


class Hierarchy(nn.Module):
    """Prior or posterior network: an encoder, and a decoder with Gaussians over a latent map at each level.

    On its way up the decoder takes in what was drawn below, so that a Gaussian depends on all coarser maps:
    p(z_l | z_>l, x) or, if the label is part of what it is given, q(z_l | z_>l, x, y).

    Args:
        network: whose encoder is taken; it sees the image, or the image and its label.
        spatial_dims: 2 or 3.
        levels: how many levels have a latent map, from the finest on.
        latents: channels of each map.
        initial_std: standard deviation of all Gaussians before training, nearly.
    """

    def __init__(
        self, network: EncoderDecoder, spatial_dims: int, levels: int, latents: int, initial_std: float
    ) -> None:
        super().__init__()
        sizes = network.widths
        self.network = network.encoder_alone()
        self.decoder = Decoder(spatial_dims, sizes, network.strides)
        self.levels = levels
        self.to_gaussian = nn.ModuleList(
            ToGaussian(spatial_dims, size, latents, initial_std) for size in sizes[:levels]
        )
        self.take_in = nn.ModuleList(CONV[spatial_dims](latents, size, 1) for size in sizes[1:levels])

    def encode(self, x: Tensor) -> list[Tensor]:
        """The features of each level that has a latent map, finest first, as far as no latent map counts."""
        encoded = self.network.encode(x)
        while len(encoded) > self.levels:
            coarsest = encoded.pop()
            encoded[-1] = self.decoder.step(len(encoded) - 1, coarsest, encoded[-1])
        return encoded

    def descend(
        self, encoded: Sequence[Tensor], draw: Callable[[int, LatentGaussian], Tensor]
    ) -> tuple[list[LatentGaussian], list[Tensor]]:
        """From the coarsest level to the finest: Gaussians, and what `draw(level, gaussian)` takes of each.

        Both lists are finest first; the maps are `(N, L, *S_l)`.
        """
        x = encoded[-1]
        gaussians: list[LatentGaussian] = []
        latents: list[Tensor] = []
        for level in reversed(range(self.levels)):
            if latents:
                x = self.decoder.step(level, x + self.take_in[level](latents[0]), encoded[level])
            gaussians.insert(0, self.to_gaussian[level](x))
            latents.insert(0, draw(level, gaussians[0]))
        return gaussians, latents


class Likelihood(nn.Module):
    """Logits of each level from its latent map and the coarser ones. It sees no image: p(y | z).

    Without norms: an instance norm would take away the level of a latent map, which may say that there is
    nothing to be marked.

    Args:
        spatial_dims: 2 or 3.
        latents: channels of each map.
        classes: K.
        sizes: channels of each level, finest first.
        strides: how many times coarser each level is than the one before.
    """

    def __init__(
        self, spatial_dims: int, latents: int, classes: int, sizes: Sequence[int], strides: Sequence[Stride]
    ) -> None:
        super().__init__()
        self.up = nn.ModuleList(
            up(spatial_dims, below, here, stride)
            for (here, below), stride in zip(pairwise(sizes), strides, strict=True)
        )
        self.read = with_he_weights(
            nn.ModuleList(
                DoubleConv(spatial_dims, latents + (size if level < len(sizes) - 1 else 0), size, "none")
                for level, size in enumerate(sizes)
            )
        )
        self.score = nn.ModuleList(CONV[spatial_dims](size, classes, 1) for size in sizes)

    def forward(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Logits `(N, K, *S_l)` of each level, of latent maps `(N, L, *S_l)`; both finest first."""
        *finer, x = latents
        x = self.read[-1](x)
        found = [self.score[-1](x)]
        for level in reversed(range(len(finer))):
            x = self.read[level](torch.cat((finer[level], self.up[level](x)), dim=1))
            found.insert(0, self.score[level](x))
        return found


def partial_sums(logits: Sequence[Tensor]) -> Tensor:
    """Sums over each level and all coarser ones, `(levels, N, K, *S)`, of logits of each level, finest first.

    All are enlarged linearly to the finest level. The first of the sums is that over all levels.
    """
    shape = logits[0].shape[2:]
    enlarged = [logits[0].float()] + [
        F.interpolate(each.float(), size=shape, mode=LINEAR[len(shape)], align_corners=False)
        for each in logits[1:]
    ]
    return torch.stack(enlarged[::-1]).cumsum(dim=0).flip(0)
