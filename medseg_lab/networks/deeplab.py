"""DeepLabv3 [16] and DeepLabv3+ [17] (section 1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.blocks import CONV, check_network, conv, crop, pad_to_multiple
from medseg_lab.networks.norms import NormName

PAPER: dict[str, Any] = {"features": (64, 256, 512, 1024, 2048), "pyramid": 256}
"""The widths of the paper's ResNet, with plain stages: `DeepLab(3, 21, **PAPER)`."""
STRIDE = 16


class Pyramid(nn.Module):
    """Reads one map at several scales at once: atrous spatial pyramid pooling (ASPP).

    Branches side by side: a 1x1 convolution, a dilated 3x3 convolution for each rate, and the mean over the
    whole image; a 1x1 convolution fuses them. A 3x3 kernel of rate r reads at distances 0 and r along each
    axis. On a map of fewer than r + 1 pixels all but its centre read the zeros around the image, so it does
    what the 1x1 branch does: the paper says so, and a patch of 64 at stride 16 leaves a map of 4.

    The mean of an image is one voxel for each channel. It has no spread, so that branch has no norm.

    Args:
        in_channels, out_channels: of the map, and of each branch and the result.
        rates: of the dilated branches.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, out_channels: int, rates: Sequence[int], norm: NormName
    ) -> None:
        super().__init__()
        self.near = conv(spatial_dims, in_channels, out_channels, kernel=1, norm=norm)
        self.far = nn.ModuleList(
            conv(spatial_dims, in_channels, out_channels, norm=norm, dilation=rate) for rate in rates
        )
        self.whole = conv(spatial_dims, in_channels, out_channels, kernel=1, norm="none")
        self.fuse = conv(spatial_dims, (len(rates) + 2) * out_channels, out_channels, kernel=1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, F, *S)`."""
        mean = x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)
        whole = self.whole(mean).expand(-1, -1, *x.shape[2:])  # (N, F, *S)
        read = [self.near(x), *(branch(x) for branch in self.far), whole]
        fused: Tensor = self.fuse(torch.cat(read, dim=1))  # (N, F, *S) of (N, 5 F, *S)
        return fused

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        far = {f"rate {branch[0].dilation[0]}": branch for branch in self.far}  # type: ignore[index]
        return {"1x1": self.near, **far, "mean": self.whole, "fused": self.fuse}


class DeepLab(nn.Module):
    """An encoder that stops at stride 16 and widens its kernels instead, and a pyramid of scales on top.

    DeepLabv3 enlarges the pyramid's scores 16 times by interpolation. DeepLabv3+ (`low_level=48`) enlarges
    the pyramid's features 4 times, joins the encoder's features of stride 4, narrowed to `low_level`
    channels, and convolves twice before the scores.

    Departures: the encoder is small, untrained and plain, five stages of two 3x3 convolutions, in place of a
    ResNet or Xception; its last stage is dilated by 2 throughout, without the paper's multi-grid; those of
    `blocks`. `PAPER` has the paper's widths.

    Args:
        in_channels: C, the image channels.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        features: channels of the encoder's stages, at strides 2, 4, 8, 16 and 16.
        pyramid: channels of each branch, and of all that follows.
        rates: of the dilated branches, in pixels of stride 16. The paper's 6, 12 and 18 are for maps of 33.
        low_level: channels of the low-level branch, 48 in the paper; 0 leaves it out.
        norm: as in `UNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (32, 64, 128, 128, 128),
        pyramid: int = 64,
        rates: Sequence[int] = (6, 12, 18),
        low_level: int = 0,
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features, at_least=5)
        if len(features) != 5:
            raise ValueError(f"features: expected five widths, one for each stage, got {tuple(features)}")
        if not rates or min(rates) < 1:
            raise ValueError(f"rates: expected at least one, each 1 or more, got {tuple(rates)}")
        self.encoder = nn.ModuleList(
            nn.Sequential(
                conv(spatial_dims, above, here, stride=stride, norm=norm, dilation=rate),
                conv(spatial_dims, here, here, norm=norm, dilation=rate),
            )
            for (above, here), stride, rate in zip(
                pairwise((in_channels, *features)), (2, 2, 2, 2, 1), (1, 1, 1, 1, 2), strict=True
            )
        )
        self.pyramid = Pyramid(spatial_dims, features[-1], pyramid, rates, norm)
        self.low_level: nn.Module | None = None
        if low_level:
            self.low_level = conv(spatial_dims, features[1], low_level, kernel=1, norm=norm)
            self.decoder = nn.Sequential(
                conv(spatial_dims, pyramid + low_level, pyramid, norm=norm),
                conv(spatial_dims, pyramid, pyramid, norm=norm),
            )
        self.head = CONV[spatial_dims](pyramid, out_channels, 1)
        self.mode = "bilinear" if spatial_dims == 2 else "trilinear"

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`. F are the channels of the pyramid."""
        x, stages = pad_to_multiple(image, STRIDE), []
        for stage in self.encoder:
            x = stage(x)  # (N, F_i, *S / s), s = 2, 4, 8, 16, 16
            stages.append(x)
        x, factor = self.pyramid(x), STRIDE  # (N, F, *S / 16)
        if self.low_level is not None:
            x = F.interpolate(x, scale_factor=4, mode=self.mode)  # (N, F, *S / 4)
            x = self.decoder(torch.cat((self.low_level(stages[1]), x), dim=1))
            factor = 4
        logits = F.interpolate(self.head(x), scale_factor=factor, mode=self.mode)  # (N, K, *S)
        return crop(logits, image.shape[2:])

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        low = {"low level": self.low_level, "decoder": self.decoder} if self.low_level is not None else {}
        return {
            **{f"encoder {i}": stage for i, stage in enumerate(self.encoder)},
            **self.pyramid.stages(),
            **low,
            "logits": self.head,
        }
