"""Multi-direction fusion, the module of MFNet [38] (section 2.1.3, figure 7)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medseg_lab.networks.activations import ActivationName
from medseg_lab.networks.blocks import Stage, conv
from medseg_lab.networks.norms import NormName
from medseg_lab.networks.pseudo_3d import PseudoConv


class DirectionFusion(nn.Module):
    """One pseudo-3D convolution for each axis, side by side, and a 1x1x1 convolution that fuses them.

    Each branch has a third of the output's channels, rounded up, so that the three together are as wide as
    the convolution that they replace. Of C channels to C, that is 3 (9 C C/3 + 3 C/3 C/3) + C C = 11 C^2
    weights, where a 3x3x3 convolution has 27 C^2. The abstract of the paper calls its module light-weight;
    the width of the branches is our choice: three branches of C channels each would have 39 C^2.

    The survey says that a branch consists of 3x3x1 and 1x3x3; we follow the pseudo-3D convolution, on which
    it rests: 3x3x1 and 1x1x3. The paper's dilation is left out. In 2D there are two branches.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: NormName,
        activation: ActivationName = "leaky_relu",
    ) -> None:
        super().__init__()
        width = -(-out_channels // spatial_dims)
        self.branches = nn.ModuleList(
            PseudoConv(spatial_dims, in_channels, width, norm, axis, activation)
            for axis in range(spatial_dims)
        )
        self.fuse = conv(
            spatial_dims, spatial_dims * width, out_channels, kernel=1, norm=norm, activation=activation
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, F, *S)`."""
        fused: Tensor = self.fuse(torch.cat([branch(x) for branch in self.branches], dim=1))
        return fused

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {**{f"axis {axis}": branch for axis, branch in enumerate(self.branches)}, "fused": self.fuse}


@dataclass(frozen=True)
class FusedDirections:
    """Block of a U-Net: each 3x3x3 convolution becomes a `DirectionFusion`. A U-Net of them is our MFNet."""

    def __call__(self, stage: Stage) -> nn.Module:
        """The two fusions of a stage."""
        out = stage.out_channels
        return nn.Sequential(
            *(
                DirectionFusion(stage.spatial_dims, channels, out, stage.norm, stage.activation)
                for channels in (stage.in_channels, out)
            )
        )
