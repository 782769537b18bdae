"""V-Net [13] (section 2.1.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.networks.activations import PReLU
from medseg_lab.networks.blocks import (
    CONV,
    CONV_TRANSPOSED,
    check_network,
    conv,
    crop,
    pad_to_multiple,
)
from medseg_lab.networks.norms import NormName, needs_bias, normalisation

PAPER: dict[str, Any] = {"features": (16, 32, 64, 128, 256), "convs": (1, 2, 3, 3, 3), "kernel": 5}
"""The paper's size, 65 M parameters in 3D: `VNet(1, 2, 3, **PAPER)`."""


class Residual(nn.Module):
    """Some convolutions, and a shortcut around all of them that is added before the last activation.

    Where the input has fewer channels than the output (the image), its channels are repeated until they
    fit. Kernel and dilation are those of `conv`.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        channels: int,
        convs: int,
        kernel: int | Sequence[int],
        norm: NormName,
        dilation: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        inputs = (in_channels, *[channels] * (convs - 1))
        self.convs = nn.Sequential(
            *(conv(spatial_dims, n, channels, kernel, 1, norm, "prelu", dilation) for n in inputs)
        )
        self.activation = PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, F, *S)`."""
        shortcut = x
        if 1 < x.shape[1] < self.channels:  # a single channel broadcasts by itself
            copies = -(-self.channels // x.shape[1])
            shortcut = torch.cat([x] * copies, dim=1)[:, : self.channels]
        return self.activation(self.convs(x) + shortcut)


class VNet(nn.Module):
    """A U-shaped network of residual stages that learns its down-sampling and its activations.

    Against the U-Net: PReLU for the activation, a 2^d convolution at stride 2 for the max pooling, and a
    shortcut around each stage. A decoder stage keeps the channels of its concatenated input, twice those of
    the encoder. The default is slim, with 3^d kernels, and has as many FLOPs as the default `UNet` in 3D, so
    that the two are compared at one cost. `PAPER` holds the paper's.

    Padding and cropping as in `UNet`. Departures from the paper: a norm after each convolution (the paper
    has none; MONAI has batch norm) and no dropout (MONAI's cannot be switched off everywhere). As in the
    public implementations, a stage's last convolution is activated before the addition and once more after
    it.

    Args:
        in_channels: C, the image channels, at most `features[0]`.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        features: channels of each level, finest first.
        convs: convolutions of each level's stage; a decoder stage has as many as the encoder's.
        kernel: their size, odd.
        norm: as in `UNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (12, 24, 48, 96),
        convs: Sequence[int] = (1, 2, 3, 3),
        kernel: int = 3,
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features, at_least=2)
        if len(convs) != len(features):
            raise ValueError(f"convs: expected one number for each of {tuple(features)}, got {tuple(convs)}")
        if in_channels > features[0]:
            raise ValueError(
                f"in_channels: expected at most {features[0]}, the first width, got {in_channels}"
            )
        if kernel % 2 == 0:
            raise ValueError(f"kernel: expected an odd size, got {kernel}")
        self.multiple = 2 ** (len(features) - 1)

        inputs = (in_channels, *features[1:])
        self.encoder = nn.ModuleList(
            Residual(spatial_dims, *level, kernel, norm)
            for level in zip(inputs, features, convs, strict=True)
        )
        self.down = nn.ModuleList(
            conv(spatial_dims, above, here, 2, 2, norm, "prelu") for above, here in pairwise(features)
        )
        # What comes from below: the bottom stage has its own width, a decoder stage twice that of its level.
        below = (*(2 * width for width in features[1:-1]), features[-1])
        self.up = nn.ModuleList(
            nn.Sequential(
                CONV_TRANSPOSED[spatial_dims](coarse, fine, 2, stride=2, bias=needs_bias(norm)),
                normalisation(norm, fine),
                PReLU(fine),
            )
            for fine, coarse in zip(features[:-1], below, strict=True)
        )
        self.decoder = nn.ModuleList(
            Residual(spatial_dims, 2 * width, 2 * width, n, kernel, norm)
            for width, n in zip(features[:-1], convs[:-1], strict=True)
        )
        self.head = CONV[spatial_dims](2 * features[0], out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`. F_i are the features of level i."""
        x = pad_to_multiple(image, self.multiple)

        encoded = [self.encoder[0](x)]  # (N, F_0, *S)
        for down, stage in zip(self.down, self.encoder[1:], strict=True):
            encoded.append(stage(down(encoded[-1])))  # (N, F_i, *S / 2^i)

        x = encoded.pop()
        for i in reversed(range(len(encoded))):
            x = torch.cat((self.up[i](x), encoded[i]), dim=1)  # (N, 2 F_i, *S / 2^i)
            x = self.decoder[i](x)  # (N, 2 F_i, *S / 2^i)

        return crop(self.head(x), image.shape[2:])  # (N, K, *S)

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"encoder {i}": stage for i, stage in enumerate(self.encoder)},
            **{f"decoder {i}": stage for i, stage in enumerate(self.decoder)},
            "logits": self.head,
        }
