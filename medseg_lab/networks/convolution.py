"""PyTorch's convolutions, kept away from CPU kernels that give wrong gradients or are slow.

oneDNN, as of PyTorch 2.13, computes the weight gradient of a bfloat16 convolution from memory that was never
written where the first spatial axis is shorter than the kernel (a volume two voxels thick under a 3x3x3
kernel): another result each time, now and then NaN. Such small maps are convolved in float32, which costs
next to nothing.

PyTorch, as of 2.13, does not take oneDNN for a single volume of few voxels in float32, though it is 2 to 5
times as fast. Two volumes it gives to oneDNN, so a single one is convolved as two halves.
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
        if _wrong_in_bfloat16(input, self.kernel_size[0]):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, in float32 where the CPU's bfloat16 kernel is wrong, and by oneDNN for a small volume."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, D, H, W)` to `(N, C', D', H', W')`."""
        if _wrong_in_bfloat16(input, self.kernel_size[0]):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        if self._left_aside(input):
            return self._in_halves(input)
        return super().forward(input)

    def _left_aside(self, input: Tensor) -> bool:
        """Whether PyTorch would take its slow kernel; of convolutions that keep the size with 3^3 weights."""
        return (
            len(input) == 1
            and input.shape[:4].numel() <= NATIVE
            and input.device.type == "cpu"
            and input.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and (self.kernel_size, self.stride, self.padding) == ((3, 3, 3), (1, 1, 1), (1, 1, 1))
            and (self.dilation, self.groups, self.padding_mode) == ((1, 1, 1), 1, "zeros")
        )

    def _in_halves(self, input: Tensor) -> Tensor:
        """The same of `(1, C, D, H, W)`, as a batch of two: each half with a slice of the other."""
        depth = input.shape[2]
        half = (depth + 1) // 2
        padded = F.pad(input, (0, 0, 0, 0, 1, 1 + depth % 2))
        halves = torch.cat([padded[:, :, : half + 2], padded[:, :, half:]])
        found = F.conv3d(halves, self.weight, self.bias, padding=(0, 1, 1))
        return torch.cat(found.split(1), dim=2)[:, :, :depth]


def _wrong_in_bfloat16(input: Tensor, kernel: int) -> bool:
    return input.device.type == "cpu" and input.shape[2] < kernel and torch.is_autocast_enabled("cpu")
