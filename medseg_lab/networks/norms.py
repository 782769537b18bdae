"""Normalisation layers [47 to 50] (section 2.3.2, figure 9): which values share a mean and a variance.

Of features `(N, C, *S)` a batch norm takes mean and variance over N and S, for each channel; an instance norm
over S, for each channel of each sample; a layer norm over C and S, for each sample; a group norm over S and a
group of channels, for each sample. All scale and shift each channel afterwards by what is learned. So only
the batch norm mixes samples, and only it needs another rule for a single image: a running mean of what it
saw in training.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NormName = Literal["instance", "batch", "group", "layer", "none"]
GROUPS = 8
"""At most so many groups has a group norm: the largest number that divides the channels."""


class InstanceNorm(nn.Module):
    """Each channel of each sample to mean 0 and variance 1 over space, then scaled and shifted.

    For any number of spatial dimensions. A map of a single voxel has no spread and passes unchanged, where
    `torch.nn.InstanceNorm2d` raises: deep networks reach that point on small patches.

    On a CPU each sample is batch-normalised by itself, which is the same: PyTorch's instance norm would copy
    channels-last maps to another layout, and the convolution behind it back again.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        if x.shape[2:].numel() == 1:
            return x
        if x.device.type != "cpu":
            return F.instance_norm(x, weight=self.weight, bias=self.bias)
        alone = [F.batch_norm(s, None, None, self.weight, self.bias, training=True) for s in x.split(1)]
        return torch.cat(alone) if len(alone) > 1 else alone[0]


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """PyTorch's batch norm, for any number of spatial dimensions.

    In training, a single sample of a single voxel has no spread and passes unchanged, where PyTorch raises.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        if self.training and input.shape[0] * input.shape[2:].numel() == 1:
            return input
        return super().forward(input)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any is right; PyTorch has a class for each number of dimensions."""


class GroupNorm(nn.GroupNorm):
    """PyTorch's group norm; a group of a single value has no spread and passes unchanged."""

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        return input if input[0].numel() == self.num_groups else super().forward(input)


def needs_bias(norm: NormName) -> bool:
    """Whether a convolution before it needs a bias, which a norm of single channels subtracts again."""
    return norm not in ("instance", "batch")


def normalisation(norm: NormName, channels: int) -> nn.Module:
    """The layer called `norm`.

    Raises:
        ValueError: naming the known norms.
    """
    if norm == "instance":
        return InstanceNorm(channels)
    if norm == "batch":
        return BatchNorm(channels)
    if norm == "group":
        groups = max(number for number in range(1, GROUPS + 1) if channels % number == 0)
        return GroupNorm(groups, channels)
    if norm == "layer":
        return GroupNorm(1, channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm: expected 'instance', 'batch', 'group', 'layer' or 'none', got {norm!r}")
