"""What a network offers that other methods take apart: an encoder, and a decoder that reads it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from medseg_lab.networks.activations import ActivationName
from medseg_lab.networks.blocks import Block, Stage, double_conv, up
from medseg_lab.networks.norms import NormName

Stride = int | tuple[int, ...]
"""How many times coarser a level is than the one before: along every axis, or along each."""


@runtime_checkable
class EncoderDecoder(Protocol):
    """A network whose encoder and decoder can be called one by one.

    A method that needs inner features (MASSL, latent-variable models, Monte Carlo dropout) asks for this, not
    for one architecture. `network(image)` equals `network.scores(network.encode(image), image.shape[2:])`.

    Attributes:
        widths: channels of each level's encoded features, finest first.
        strides: how many times coarser each level is than the one before: `(2, 2, 2)` for four levels; a
            tuple where that differs between axes.
        encoder: the modules of the encoder.
        head: the last layer, from decoded features to logits.
    """

    widths: tuple[int, ...]
    strides: tuple[Stride, ...]

    @property
    def encoder(self) -> nn.Module: ...  # noqa: D102

    @property
    def head(self) -> nn.Module: ...  # noqa: D102

    def encode(self, image: Tensor) -> list[Tensor]:
        """The features of each level of an image `(N, C, *S)`, finest first."""

    def decode(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """The features that the head reads, `(N, F, *shape)`, of encoded images."""

    def scores(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """Logits `(N, K, *shape)` of encoded images."""

    def encoder_alone(self) -> Any:
        """The same network without decoder and head, in place: it can `encode`, and nothing else."""


MEMBERS = ("widths", "strides", "encoder", "head", "encode", "decode", "scores", "encoder_alone")


def encoder_decoder(network: Any) -> Any:
    """The network, if it is an `EncoderDecoder`.

    Raises:
        ValueError: if not, naming what it lacks.
    """
    if lacking := [name for name in MEMBERS if not hasattr(network, name)]:
        raise ValueError(
            "network: expected an encoder and decoder that can be called one by one (such as UNet or "
            f"UNetPlusPlus), got {type(network).__name__}, which has no {', '.join(lacking)}"
        )
    return network


class Decoder(nn.Module):
    """From the coarsest features to the finest: up-sample, join the encoder's features, convolve twice.

    Args:
        spatial_dims: 2 or 3.
        widths: channels of each level, finest first; the decoder gives as many as the encoder.
        strides: as in `EncoderDecoder`.
        skips: False leaves out the encoder's finer features: each stage reads the up-sampled tensor alone.
        norm, activation: of each convolution.
        block: makes the module of a stage.
    """

    def __init__(
        self,
        spatial_dims: int,
        widths: Sequence[int],
        strides: Sequence[Stride],
        skips: bool = True,
        norm: NormName = "instance",
        block: Block = double_conv,
        activation: ActivationName = "leaky_relu",
    ) -> None:
        super().__init__()
        self.skips = skips
        self.up = nn.ModuleList(
            up(spatial_dims, below, here, stride)
            for (here, below), stride in zip(pairwise(widths), strides, strict=True)
        )
        read = 2 if skips else 1
        self.stage = nn.ModuleList(
            block(Stage(spatial_dims, read * here, here, norm, "decoder", level, len(widths), activation))
            for level, here in enumerate(widths[:-1])
        )

    def forward(self, encoded: Sequence[Tensor]) -> Tensor:
        """The finest decoded features, `(N, F_0, *S)`, of encoded ones, finest first."""
        return self.levels(encoded)[0]

    def levels(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """The decoded features of each level, finest first; the coarsest are the encoded ones as they are."""
        *finer, coarsest = encoded
        decoded = [coarsest]
        for level in reversed(range(len(finer))):
            decoded.insert(0, self.step(level, decoded[0], finer[level]))
        return decoded

    def step(self, level: int, below: Tensor, skip: Tensor) -> Tensor:
        """The features of one level, `(N, F_i, *S_i)`, from those of the next coarser one."""
        x = self.up[level](below)  # (N, F_i, *S_i)
        if self.skips:
            x = torch.cat((skip, x), dim=1)  # (N, 2 F_i, *S_i)
        features: Tensor = self.stage[level](x)  # (N, F_i, *S_i)
        return features
