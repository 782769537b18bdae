"""Fully convolutional networks, FCN-32s, FCN-16s and FCN-8s [11] (section 2.1.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import (
    CONV,
    CONV_TRANSPOSED,
    MAX_POOL,
    DoubleConv,
    check_network,
    conv,
    crop,
)
from medseg_lab.networks.norms import NormName


def bilinear_kernel(spatial_dims: int, factor: int) -> Tensor:
    """The weights `(2 factor, ...)` with which a transposed convolution interpolates (bi-, tri-)linearly.

    Along one axis they are a triangle around the centre, 1 - |distance| / factor; the factor must be even.
    """
    position = torch.arange(2 * factor) + 0.5 - factor
    triangle = 1 - position.abs() / factor
    kernel = triangle
    for _ in range(spatial_dims - 1):
        kernel = kernel[..., None] * triangle
    return kernel


def bilinear_up(spatial_dims: int, channels: int) -> nn.Module:
    """Transposed convolution that doubles each side: it starts as linear interpolation, and learns."""
    layer = CONV_TRANSPOSED[spatial_dims](channels, channels, 4, stride=2, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        for k in range(channels):
            layer.weight[k, k] = bilinear_kernel(spatial_dims, 2)
    return layer


class Sum(nn.Module):
    """Adds two tensors of one shape: a module, so that the diagram has a box for it."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """`a + b`."""
        return a + b


class FCN(nn.Module):
    """A classifier made convolutional: class scores at strides 32, 16 and 8, summed and enlarged.

    FCN-32s enlarges the coarsest scores 32 times. FCN-16s doubles them, adds the scores of the fourth
    pooling, and enlarges 16 times; FCN-8s does the same once more with the third. As in the paper, the
    doubling is learned from a linear start, the last enlargement is fixed to linear, and the added scores
    start at 0.

    Images of any size are accepted: poolings round up, and what is up-sampled is cropped to what it is added
    to. (Padding to a multiple of 32, as the U-shaped networks do for 8, would double the cost of a 48^3
    patch.)

    Departures from the paper: the encoder is small and untrained in place of VGG-16, with about as many
    parameters as the default `UNet`; one 3^d convolution stands for VGG's two large layers; and those of
    `blocks`.

    Args:
        in_channels: C, the image channels.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        stride: 32, 16 or 8: the finest scores that are used.
        features: channels of the five stages, each of which ends in a pooling.
        norm: as in `UNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        stride: Literal[8, 16, 32] = 8,
        features: Sequence[int] = (16, 32, 64, 96, 96),
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features, at_least=5)
        if len(features) != 5:
            raise ValueError(f"features: expected five widths, one for each pooling, got {tuple(features)}")
        if stride not in (8, 16, 32):
            raise ValueError(f"stride: expected 8, 16 or 32, got {stride}")
        self.encoder = nn.ModuleList(
            DoubleConv(spatial_dims, above, here, norm) for above, here in pairwise((in_channels, *features))
        )
        self.pool = MAX_POOL[spatial_dims](2, ceil_mode=True)
        # No norm here: at stride 32 a patch has left a handful of voxels, too few for statistics.
        self.classifier = conv(spatial_dims, features[-1], features[-1], norm="none")

        self.score, self.up, self.add = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.score["32"] = CONV[spatial_dims](features[4], out_channels, 1)
        for s, width in ((16, features[3]), (8, features[2])):
            if s >= stride:
                self.up[str(s)] = bilinear_up(spatial_dims, out_channels)
                self.add[str(s)] = Sum()
                self.score[str(s)] = score = CONV[spatial_dims](width, out_channels, 1)
                for parameter in score.parameters():
                    nn.init.zeros_(parameter)
        self.enlarge = nn.Upsample(scale_factor=stride, mode="bilinear" if spatial_dims == 2 else "trilinear")

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`. F_s are the features at stride s."""
        x, pooled = image, {}
        for i, stage in enumerate(self.encoder, start=1):
            x = self.pool(stage(x))  # (N, F_s, *S / s), s = 2^i
            pooled[str(2**i)] = x

        scores = self.score["32"](self.classifier(x))  # (N, K, *S / 32)
        for s, add in self.add.items():
            finer = self.score[s](pooled[s])  # (N, K, *S / s)
            doubled = crop(self.up[s](scores), finer.shape[2:])  # (N, K, *S / s)
            scores = add(doubled, finer)

        return crop(self.enlarge(scores), image.shape[2:])  # (N, K, *S)

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"encoder {i}": stage for i, stage in enumerate(self.encoder)},
            "classifier": self.classifier,
            **{f"score {s}": score for s, score in self.score.items()},
            **{f"sum {s}": add for s, add in self.add.items()},
            "logits": self.enlarge,
        }
