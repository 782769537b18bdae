"""What the survey says of group norm (section 2.3.2) and needs no training: two identities."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medseg_lab.networks.blocks import InstanceNorm

SHAPES = pytest.mark.parametrize("shape", [(2, 6, 5, 7), (1, 6, 4, 3, 5)], ids=["2d", "3d"])


def maps(shape: tuple[int, ...]) -> torch.Tensor:
    """Features whose channels differ in mean and spread, in double precision."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = torch.arange(1, shape[1] + 1).view(-1, *[1] * (len(shape) - 2))
    return drawn * scale + scale**2


@SHAPES
def test_one_group_is_layer_norm(shape):
    """Both take mean and variance over channels and space; the layer norm learns nothing here."""
    x = maps(shape)
    group = nn.GroupNorm(1, shape[1], dtype=torch.float64)
    torch.testing.assert_close(group(x), F.layer_norm(x, shape[1:]), rtol=0, atol=1e-12)


@SHAPES
def test_a_group_a_channel_is_instance_norm(shape):
    """Both take them over space alone, with a learned scale and shift a channel: PyTorch's norm, and ours."""
    x = maps(shape)
    group = nn.GroupNorm(shape[1], shape[1], dtype=torch.float64)
    theirs = (nn.InstanceNorm2d if len(shape) == 4 else nn.InstanceNorm3d)(shape[1], affine=True).double()
    ours = InstanceNorm(shape[1]).double()
    with torch.no_grad():
        for norm in (group, theirs, ours):
            norm.weight.copy_(torch.linspace(0.5, 2, shape[1]))
            norm.bias.copy_(torch.linspace(-1, 1, shape[1]))
    torch.testing.assert_close(group(x), theirs(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(group(x), ours(x), rtol=0, atol=1e-12)


@SHAPES
def test_with_groups_in_between_it_is_neither(shape):
    x = maps(shape)
    between = F.group_norm(x, 2)
    for groups in (1, shape[1]):
        assert (between - F.group_norm(x, groups)).abs().max() > 0.1
