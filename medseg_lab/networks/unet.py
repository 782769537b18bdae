"""U-Net [14] and 3D U-Net [18] (section 2.1.1, figure 1)."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.activations import ActivationName
from medseg_lab.networks.blocks import (
    CONV,
    DROPOUT,
    MAX_POOL,
    Block,
    Stage,
    check_network,
    crop,
    double_conv,
    pad_to_multiple,
)
from medseg_lab.networks.encoder_decoder import Decoder, Stride
from medseg_lab.networks.norms import NormName


class UNet(nn.Module):
    """An encoder that halves the image, a decoder that mirrors it, and skip connections between.

    The image is padded to a multiple of what the strides make together, 2^(levels - 1) by default, and the
    logits are cropped back, so images of any size are accepted. Departures from the papers are those of
    `blocks`; the default is also narrower (the paper's U-Net is `features=(64, 128, 256, 512, 1024)`). It is
    an `EncoderDecoder`.

    Args:
        in_channels: C, the image channels.
        out_channels: K, the classes.
        spatial_dims: 2 for the U-Net, 3 for the 3D U-Net.
        features: channels of each level, finest first.
        skips: False removes the skip connections and nothing else: the decoder's stages read the up-sampled
            tensor alone, so the first convolution of each has half the input channels.
        norm: "instance", "batch", "group", "layer" or "none" (2.3.2).
        dropout: probability with which a channel of the coarsest features is left out in training. UA-MT [20]
            drops channels of the last features, too; with sixteen of them, that costs more than it gives.
        strides: how many times coarser each level is than the one before, as one number or one for each axis:
            `[[1, 2, 2], 2]` leaves the first axis alone once, where voxels are long. None for 2 throughout.
        deep_supervision: gives each coarser level of the decoder a head of its own, for training alone: the
            supervision of U-Net++ [28] without its nested skips.
        block: makes the module of each stage, as a recipe: attention (2.1.2) or another convolution (2.1.3);
            None for the two convolutions of the paper.
        activation: "leaky_relu", "relu" or "prelu" (2.3.2).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (16, 32, 64, 128),
        skips: bool = True,
        norm: NormName = "instance",
        dropout: float = 0.0,
        deep_supervision: bool = False,
        block: Block | None = None,
        strides: Sequence[int | Sequence[int]] | None = None,
        activation: ActivationName = "leaky_relu",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features)
        self.widths = tuple(features)
        self.strides = _strides([2] * (len(features) - 1) if strides is None else strides, self.widths)
        self.dropout = DROPOUT[spatial_dims](dropout) if dropout else nn.Identity()
        edges = coarser(self.strides, spatial_dims)
        self.multiple = edges[0] if len(set(edges)) == 1 else edges
        block = block or double_conv
        self.encoder = nn.ModuleList(
            block(Stage(spatial_dims, above, here, norm, "encoder", level, len(features), activation))
            for level, (above, here) in enumerate(pairwise((in_channels, *features)))
        )
        self.pool = nn.ModuleList(MAX_POOL[spatial_dims](stride) for stride in self.strides)
        self.decoder = Decoder(spatial_dims, self.widths, self.strides, skips, norm, block, activation)
        self.head = CONV[spatial_dims](features[0], out_channels, 1)
        supervised = features[1:-1] if deep_supervision else ()
        self.auxiliary = nn.ModuleList(CONV[spatial_dims](width, out_channels, 1) for width in supervised)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`."""
        return self.scores(self.encode(image), image.shape[2:])

    def encode(self, image: Tensor) -> list[Tensor]:
        """The features of each level, finest first; level i has F_i channels."""
        x = pad_to_multiple(image, self.multiple)
        encoded = [self.encoder[0](x)]  # (N, F_0, *S)
        for pool, stage in zip(self.pool, self.encoder[1:], strict=True):
            encoded.append(stage(pool(encoded[-1])))  # (N, F_i, *S_i)
        return [*encoded[:-1], self.dropout(encoded[-1])]

    def scores(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """Logits `(N, K, *shape)` of encoded images."""
        return crop(self.head(self.decoder(encoded)), shape)

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of every head, coarsest first, enlarged to `(N, K, *S)`; the last are `forward`'s."""
        if not self.auxiliary:
            return (self(image),)
        finest, *below = self.decoder.levels(self.encode(image))
        found = [self.head(finest)]
        for level, (head, features) in enumerate(zip(self.auxiliary, below[:-1], strict=True), start=1):
            mode = "bilinear" if image.ndim == 4 else "trilinear"
            factors = [float(factor) for factor in coarser(self.strides[:level], image.ndim - 2)]
            found.insert(0, F.interpolate(head(features), scale_factor=factors, mode=mode))
        return tuple(crop(logits, image.shape[2:]) for logits in found)

    def decode(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """The features that the head reads, `(N, F_0, *shape)`, of encoded images."""
        return crop(self.decoder(encoded), shape)

    def encoder_alone(self) -> "UNet":
        """Without decoder and heads, in place."""
        for part in ("decoder", "head", "auxiliary"):
            self.register_module(part, nn.Identity())
        return self

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"encoder {i}": stage for i, stage in enumerate(self.encoder)},
            **{f"decoder {i}": stage for i, stage in enumerate(self.decoder.stage)},
            **{f"logits {i}": head for i, head in enumerate(self.auxiliary, start=1)},
            "logits": self.head,
        }


def coarser(strides: Sequence[Stride], spatial_dims: int) -> tuple[int, ...]:
    """How many times coarser than the image a level is along each axis, after these strides.

    Raises:
        ValueError: for strides of another dimension.
    """
    if wrong := [s for s in strides if not isinstance(s, int) and len(s) != spatial_dims]:
        raise ValueError(f"strides: expected one number or {spatial_dims} for each level, got {wrong[0]}")
    each = [(stride,) * spatial_dims if isinstance(stride, int) else stride for stride in strides]
    return tuple(prod(of_axis) for of_axis in zip((1,) * spatial_dims, *each, strict=True))


def _strides(given: Sequence[int | Sequence[int]], widths: Sequence[int]) -> tuple[Stride, ...]:
    """The strides as numbers and tuples.

    Raises:
        ValueError: unless there is one for each level after the first, of whole numbers from 1 on.
    """
    if len(given) != len(widths) - 1:
        raise ValueError(f"strides: expected {len(widths) - 1}, one a level after the first, got {given}")
    found: list[Stride] = []
    for stride in given:
        each = tuple(stride) if isinstance(stride, list | tuple) else (stride,)
        if any(not isinstance(one, int) or one < 1 for one in each):
            raise ValueError(f"strides: expected whole numbers from 1 on, got {given}")
        found.append(each if isinstance(stride, list | tuple) else each[0])
    return tuple(found)
