"""PyTorch's convolutions, kept away from a CPU kernel that gives wrong gradients.

oneDNN, as of PyTorch 2.13, computes the weight gradient of a bfloat16 convolution from memory that was never
written where the first spatial axis is shorter than the kernel (a volume two voxels thick under a 3x3x3
kernel): another result each time, now and then NaN. Such small maps are convolved in float32, which costs
next to nothing.
"""

import torch
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, in float32 where the CPU's bfloat16 kernel is wrong."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C', H', W')`."""
        if _wrong_in_bfloat16(input, self.kernel_size[0]):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, in float32 where the CPU's bfloat16 kernel is wrong."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, D, H, W)` to `(N, C', D', H', W')`."""
        if _wrong_in_bfloat16(input, self.kernel_size[0]):
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


def _wrong_in_bfloat16(input: Tensor, kernel: int) -> bool:
    return input.device.type == "cpu" and input.shape[2] < kernel and torch.is_autocast_enabled("cpu")
