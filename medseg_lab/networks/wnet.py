"""WNet, the anisotropic network for the whole tumour [37] (section 2.1.3)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import CONV, check_network, conv, crop, pad_to_multiple, up
from medseg_lab.networks.norms import NormName
from medseg_lab.networks.pseudo_3d import plane_and_line
from medseg_lab.networks.vnet import Residual

PAPER: dict[str, Any] = {"features": (32, 32, 32, 32)}
"""The paper's widths: `WNet(4, 2, 3, **PAPER)`."""
RATES = (1, 1), (1, 1), (1, 2, 3), (3, 2, 1)
"""The in-plane dilation of each stage's residual pairs."""


class WNet(nn.Module):
    """Convolves in the plane of a slice, and after each stage once across the slices.

    Four stages. Each has two or three residual pairs of 3x3 convolutions in the plane, with the dilation of
    `RATES`, then one convolution of 3 across the slices. Two strided 3x3 convolutions halve the plane; slices
    are never thinned out. Scores of the last three stages (at halves, quarters and quarters) are enlarged by
    transposed convolutions, joined, and combined by a last 3x3 convolution.

    One network sees the volume in one direction. The paper's three views are three networks, each of another
    `axis`, trained each for itself, whose probabilities are averaged (`ModelEnsemble`). Turning the network
    is the same as turning the volume. The paper's volumes have equal edges. Of a stack of few slices, the
    two other views have planes of few voxels: eight slices become two, where a kernel of rate 2 or 3 reads
    little but its centre.

    Departures: all convolutions are padded (the paper's across the slices are not), those of `blocks`; norm
    and activation follow a convolution (in the paper's code they precede it), with the residual sum of
    `vnet`; one transposed convolution enlarges four times, where the paper has two. The default is narrower,
    for as many FLOPs a voxel as the 2D U-Net; `PAPER` has the paper's width. In 2D, where it serves tests
    alone, the plane is a line.

    Args:
        in_channels: C, the image channels, at most `features[0]`.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        axis: across the slices, the last by default.
        features: channels of the four stages.
        norm: as in `UNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 3,
        axis: int = -1,
        features: Sequence[int] = (26, 26, 26, 26),
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features, at_least=4)
        if len(features) != len(RATES):
            raise ValueError(f"features: expected four widths, one for each stage, got {tuple(features)}")
        if in_channels > features[0]:
            raise ValueError(
                f"in_channels: expected at most {features[0]}, the first width, got {in_channels}"
            )
        plane, line = plane_and_line(spatial_dims, axis)
        half, quarter = (plane_and_line(spatial_dims, axis, factor)[0] for factor in (2, 4))
        self.multiple = quarter

        def down(narrow: int, wide: int) -> nn.Module:
            return conv(spatial_dims, narrow, wide, plane, half, norm, "prelu")

        def stage(above: int, width: int, rates: Sequence[int]) -> nn.Module:
            inputs = (above, *[width] * (len(rates) - 1))
            pairs = [
                Residual(spatial_dims, n, width, 2, plane, norm, plane_and_line(spatial_dims, axis, rate)[0])
                for n, rate in zip(inputs, rates, strict=True)
            ]
            return nn.Sequential(*pairs, conv(spatial_dims, width, width, line, 1, norm, "prelu"))

        first, second, third, fourth = features
        inputs = (in_channels, second, third, third)
        self.stage = nn.ModuleList(stage(*each) for each in zip(inputs, features, RATES, strict=True))
        self.down = nn.ModuleList([down(first, second), down(second, third)])
        self.score = nn.ModuleList(
            up(spatial_dims, width, out_channels, factor)
            for width, factor in ((second, half), (third, quarter), (fourth, quarter))
        )
        padding = tuple(size // 2 for size in plane)
        self.head = CONV[spatial_dims](3 * out_channels, out_channels, plane, padding=padding)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`. F_i are the features of stage i."""
        x = pad_to_multiple(image, self.multiple)
        first = self.stage[0](x)  # (N, F_0, X, Y, Z)
        second = self.stage[1](self.down[0](first))  # (N, F_1, X / 2, Y / 2, Z)
        third = self.stage[2](self.down[1](second))  # (N, F_2, X / 4, Y / 4, Z)
        fourth = self.stage[3](third)  # (N, F_3, X / 4, Y / 4, Z)
        scores = [score(f) for score, f in zip(self.score, (second, third, fourth), strict=True)]
        return crop(self.head(torch.cat(scores, dim=1)), image.shape[2:])  # (N, K, X, Y, Z)

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"stage {i}": stage for i, stage in enumerate(self.stage)},
            **{f"scores {i}": score for i, score in enumerate(self.score, start=1)},
            "logits": self.head,
        }
