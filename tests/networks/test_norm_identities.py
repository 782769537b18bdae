"""Norms (section 2.3.2): two identities that the survey states, and what ours do that PyTorch's do not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medseg_lab.networks.norms import BatchNorm, GroupNorm, InstanceNorm, normalisation

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
    wanted = F.layer_norm(x, shape[1:])
    for group in (nn.GroupNorm(1, shape[1]).double(), normalisation("layer", shape[1]).double()):
        torch.testing.assert_close(group(x), wanted, rtol=0, atol=1e-12)


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


@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (12, 6), (6, 6), (7, 7), (11, 1)])
def test_a_group_norm_has_eight_groups_or_as_many_as_divide_the_channels(channels, groups):
    assert normalisation("group", channels).num_groups == groups


def test_layer_and_group_norm_answer_for_one_image_as_for_a_batch_and_batch_norm_does_not():
    x = maps((3, 8, 5, 7)).float()
    for norm in ("instance", "group", "layer"):
        layer = normalisation(norm, 8)
        torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
    layer = normalisation("batch", 8)
    assert (layer(x)[:1] - layer(x[:1])).abs().max() > 0.1


@SHAPES
def test_batch_norm_is_pytorchs_in_training_and_after(shape):
    ours, theirs = BatchNorm(shape[1]), (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm3d)(shape[1])
    for x in (maps(shape).float(), maps(shape).float() + 1):
        assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize(
    "layer", [InstanceNorm(4), BatchNorm(4), GroupNorm(4, 4)], ids=lambda n: type(n).__name__
)
def test_what_has_a_single_value_passes(layer):
    x = maps((1, 4, 1, 1)).float()
    assert torch.equal(layer(x), x)


def test_an_unknown_norm_is_refused_by_name():
    with pytest.raises(
        ValueError, match="expected 'instance', 'batch', 'group', 'layer' or 'none', got 'spectral'"
    ):
        normalisation("spectral", 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_channels_last_stays_channels_last(norm, spatial_dims):
    last = [torch.channels_last, torch.channels_last_3d][spatial_dims - 2]
    x = torch.randn(2, 16, *[6] * spatial_dims).contiguous(memory_format=last).requires_grad_()
    found = normalisation(norm, 16)(x)
    assert found.is_contiguous(memory_format=last)
    (slope,) = torch.autograd.grad(found.square().sum(), x)
    assert slope.is_contiguous(memory_format=last)
