"""PyTorch's convolutions, kept away from CPU kernels that give wrong gradients or are slow.

oneDNN, as of PyTorch 2.13, computes the weight gradient of a bfloat16 convolution from memory that was never
written where the first spatial axis is shorter than the kernel, spread by its dilation (a volume two voxels
thick under a 3x3x3 kernel): another result each time, now and then NaN. Such small maps are convolved in
float32, which costs next to nothing.

PyTorch, as of 2.13, does not take oneDNN for a single volume of few voxels in float32, though it is 2 to 5
times as fast, nor for kernels that have one voxel along the last two axes, in small batches on one thread.
Two volumes it gives to oneDNN, so a single one is convolved as two halves; and what is dilated, so a kernel
of 3x1x1 is said to be dilated along the last axis; a kernel of one voxel is a linear layer. All keep the
layout, which PyTorch's other kernels change.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NATIVE = 20_480
"""Up to so many values (of one volume, but for the last axis) PyTorch leaves oneDNN aside."""


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, in float32 where the CPU's bfloat16 kernel is wrong."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C', H', W')`."""
        if _is_linear(self, input):
            return _linear(self, input)
        if _wrong_in_bfloat16(self, input):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, in float32 where the CPU's bfloat16 kernel is wrong, and by oneDNN for a small volume."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, D, H, W)` to `(N, C', D', H', W')`."""
        if _is_linear(self, input):
            return _linear(self, input)
        if _wrong_in_bfloat16(self, input):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        plain = (self.stride, self.groups, self.padding_mode) == ((1, 1, 1), 1, "zeros")
        if not plain or input.device.type != "cpu":
            return super().forward(input)
        if _keeps_the_first_axis(self) and _left_aside(input):
            return self._in_halves(input)
        return F.conv3d(input, self.weight, self.bias, padding=self.padding, dilation=_dilation(self))

    def _in_halves(self, input: Tensor) -> Tensor:
        """The same of `(1, C, D, H, W)`, as a batch of two: each half with what it reads of the other."""
        depth, edge = input.shape[2], int(self.padding[0])
        half = (depth + 1) // 2
        padded = F.pad(input, (0, 0, 0, 0, edge, edge + depth % 2))
        halves = torch.cat([padded[:, :, : half + 2 * edge], padded[:, :, half:]])
        padding = (0, *self.padding[1:])
        found = F.conv3d(halves, self.weight, self.bias, padding=padding, dilation=_dilation(self))
        return torch.cat(found.split(1), dim=2)[:, :, :depth]


class ConvTranspose3d(nn.ConvTranspose3d):
    """`nn.ConvTranspose3d`, by oneDNN for a small volume."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """`(N, C, D, H, W)` to `(N, C', D', H', W')`."""
        apart = self.kernel_size == self.stride and self.padding == self.output_padding == (0, 0, 0)
        if apart and output_size is None and input.shape[2] % 2 == 0 and _left_aside(input):
            return torch.cat(super().forward(torch.cat(input.chunk(2, dim=2))).split(1), dim=2)
        return super().forward(input, output_size)


def _left_aside(volume: Tensor) -> bool:
    """Whether PyTorch would not take oneDNN, because it is a single volume of few voxels."""
    small = len(volume) == 1 and volume.shape[:4].numel() <= NATIVE
    plain = volume.device.type == "cpu" and volume.dtype == torch.float32
    return small and plain and not torch.is_autocast_enabled("cpu")


def _is_linear(layer: nn.Conv2d | nn.Conv3d, input: Tensor) -> bool:
    """Whether the kernel has one voxel, with nothing else about it."""
    ones = set(layer.kernel_size) | set(layer.stride) == {1}
    return ones and not any(layer.padding) and layer.groups == 1 and input.device.type == "cpu"


def _linear(layer: nn.Conv2d | nn.Conv3d, input: Tensor) -> Tensor:
    """The convolution as a linear layer of the channels, which lie innermost."""
    return F.linear(input.movedim(1, -1), layer.weight.flatten(1), layer.bias).movedim(-1, 1)


def _spread(layer: nn.Conv2d | nn.Conv3d) -> int:
    """How many voxels of the first axis a kernel spans."""
    return layer.dilation[0] * (layer.kernel_size[0] - 1) + 1


def _dilation(layer: nn.Conv3d) -> tuple[int, ...]:
    """Its dilation, and for a kernel of 3x1x1 one along the last axis, where there is nothing to spread."""
    return (*layer.dilation[:2], 2) if layer.kernel_size[1:] == (1, 1) else layer.dilation


def _keeps_the_first_axis(layer: nn.Conv3d) -> bool:
    """Whether the padding makes up for the kernel there."""
    return not isinstance(layer.padding, str) and 2 * layer.padding[0] == _spread(layer) - 1


def _wrong_in_bfloat16(layer: nn.Conv2d | nn.Conv3d, input: Tensor) -> bool:
    short = input.shape[2] < _spread(layer)
    return short and input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
