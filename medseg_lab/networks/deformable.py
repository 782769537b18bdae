"""Deformable convolution [36], with global context in its offsets [39] (section 2.1.3, figure 5)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.activations import activation_layer
from medseg_lab.networks.blocks import CONV, Stage, conv, double_conv
from medseg_lab.networks.norms import needs_bias, normalisation

SLOWER = 0.1
"""Offsets over what predicts them."""


class DeformableConv(nn.Module):
    """A 3^d convolution that chooses for each output voxel where each position of its kernel reads.

    A plain convolution of the same input predicts T = 3^d offsets of d numbers for each voxel. The input is
    read there, between voxels by linear interpolation, and the T values of each channel are weighed and added
    as ever. Offsets start at zero, so it starts as a plain convolution; outside of the image it reads zeros.

    The work is that of a convolution (matrix product) after T linear interpolations of each input, which are
    what it costs: on a CPU a layer takes several times as long as a plain one.

    As in [36], offsets are trained more slowly than the rest, or they leave the image before they learn
    anything: on maps of 16 voxels they were 4 voxels on average after 300 steps. AdamW moves every weight by
    about the learning rate, whatever its gradient, so a tenth of what is predicted is a tenth of the rate.

    Departure: [39] adds the context to the features that the offsets are predicted from. The prediction is
    linear, so here it is added to the offsets. It is the mean and the largest value of each channel: after an
    instance norm every image has nearly the same mean.

    Args:
        spatial_dims: 2 or 3.
        in_channels, out_channels: the features.
        bias: as in PyTorch's convolutions.
        global_context: the offsets also depend on features pooled over the whole map.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        global_context: bool = False,
    ) -> None:
        super().__init__()
        self.taps = 3**spatial_dims
        self.conv = CONV[spatial_dims](in_channels, out_channels, 3, padding=1, bias=bias)
        self.offset = CONV[spatial_dims](in_channels, self.taps * spatial_dims, 3, padding=1)
        self.context: nn.Linear | None = None
        if global_context:
            self.context = nn.Linear(2 * in_channels, self.taps * spatial_dims, bias=False)
        for layer in (self.offset, self.context):
            for parameter in layer.parameters() if layer is not None else ():
                nn.init.zeros_(parameter)
        self.distance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, C', *S)`."""
        offsets = self.offsets(x)
        self.distance = offsets.detach().abs().mean()
        return self.read(x, offsets)

    def offsets(self, x: Tensor) -> Tensor:
        """How far each position of the kernel moves at each voxel: `(N, T, d, *S)`, in voxels."""
        found: Tensor = self.offset(x)
        if self.context is not None:
            voxels = x.flatten(2)
            pooled = self.context(torch.cat([voxels.mean(2), voxels.amax(2)], dim=1))
            found = found + pooled.unflatten(1, (-1, *[1] * (x.ndim - 2)))
        return SLOWER * found.unflatten(1, (self.taps, x.ndim - 2))

    def read(self, x: Tensor, offsets: Tensor) -> Tensor:
        """The convolution of `(N, C, *S)` with these offsets."""
        offsets = offsets.to(torch.promote_types(offsets.dtype, torch.float32))  # bfloat16 is too coarse
        size = torch.tensor(x.shape[2:], device=x.device).reshape(-1, *[1] * (x.ndim - 2))
        grid = (2 * positions(offsets) + 1) / size - 1  # grid_sample counts from -1 to 1 over outer faces
        grid = grid.movedim(2, -1).flip(-1).flatten(1, 2)  # (N, T S_1, ..., d), the last axis named first
        read = F.grid_sample(x.to(grid.dtype), grid, padding_mode="zeros", align_corners=False)
        read = read.flatten(2).unflatten(2, (self.taps, -1)).flatten(1, 2)  # (N, C T, voxels)
        found = self.conv.weight.flatten(1) @ read  # (N, C', voxels)
        if self.conv.bias is not None:
            found = found + self.conv.bias[:, None]
        return found.unflatten(2, x.shape[2:])

    def activity(self) -> dict[str, Tensor]:
        """The mean absolute offset along an axis in the latest pass, in voxels of its map."""
        return {"offset": self.distance}


def positions(offsets: Tensor) -> Tensor:
    """Where a 3^d kernel reads, `(N, T, d, *S)` in voxels, with the offsets `(N, T, d, *S)`."""
    _, _, d, *shape = offsets.shape
    where: dict[str, Any] = {"dtype": offsets.dtype, "device": offsets.device}
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, **where)] * d).reshape(
        -1, d, *[1] * d
    )  # (T, d, 1, ...)
    voxels = torch.stack(torch.meshgrid(*(torch.arange(side, **where) for side in shape), indexing="ij"))
    return voxels + steps + offsets


@dataclass(frozen=True)
class Deformable:
    """The block of the U-Net with a deformable convolution, the second of a stage, in coarse encoder stages.

    Coarse stages are where it is affordable: one level finer has 2^d times the voxels to read at T positions
    each. They are also where an offset of one voxel reaches far: [36] has it in the last stages, too.

    Args:
        coarsest: how many levels have it, from the coarsest on.
        global_context: the offsets also depend on the whole map [39].

    Raises:
        ValueError: unless there is a level that has it.
    """

    coarsest: int = 2
    global_context: bool = False

    def __post_init__(self) -> None:
        if self.coarsest < 1:
            raise ValueError(f"coarsest: expected at least 1 level, got {self.coarsest}")

    def __call__(self, stage: Stage) -> nn.Module:
        """The module of one stage."""
        if stage.part == "decoder" or stage.level < stage.levels - self.coarsest:
            return double_conv(stage)
        dims, channels, norm = stage.spatial_dims, stage.out_channels, stage.norm
        return nn.Sequential(
            conv(dims, stage.in_channels, channels, norm=norm, activation=stage.activation),
            DeformableConv(dims, channels, channels, needs_bias(norm), self.global_context),
            normalisation(norm, channels),
            activation_layer(stage.activation, channels),
        )
