"""Deformable convolution against plain ones, by hand, and against finite differences."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medseg_lab.networks.deformable import Deformable, DeformableConv
from medseg_lab.networks.unet import UNet

by_dimension = pytest.mark.parametrize("dims", [2, 3])
SHAPE = (7, 6, 5)


def layer_and_image(dims: int, **arguments: bool) -> tuple[DeformableConv, torch.Tensor]:
    torch.manual_seed(0)
    return DeformableConv(dims, 3, 4, **arguments), torch.randn(2, 3, *SHAPE[:dims])


@by_dimension
@pytest.mark.parametrize("bias", [True, False])
def test_it_starts_as_a_plain_convolution_at_the_border_too(dims, bias):
    layer, x = layer_and_image(dims, bias=bias, global_context=True)
    plain = [F.conv2d, F.conv3d][dims - 2](x, layer.conv.weight, layer.conv.bias, padding=1)
    torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=0)


@by_dimension
def test_one_whole_offset_is_a_shifted_convolution(dims):
    layer, x = layer_and_image(dims)
    shift = (2, -1, 1)[:dims]
    offsets = torch.tensor(shift).reshape(dims, *[1] * dims).expand(2, 3**dims, dims, *SHAPE[:dims])
    padded = F.pad(x, [4] * 2 * dims)  # so that what is read outside is zero
    wide = [F.conv2d, F.conv3d][dims - 2](padded, layer.conv.weight, layer.conv.bias, padding=1)
    corner = tuple(slice(4 + s, 4 + s + side) for s, side in zip(shift, SHAPE, strict=False))
    torch.testing.assert_close(layer.read(x, offsets.float()), wide[(..., *corner)], atol=1e-5, rtol=0)


@by_dimension
def test_each_position_of_the_kernel_has_an_offset_of_its_own(dims):
    """One position alone has a weight: it reads its place in the kernel plus its own offset."""
    layer, x = layer_and_image(dims)
    nn.init.zeros_(layer.conv.weight)
    nn.init.zeros_(layer.conv.bias)
    last = (..., *[-1] * dims)
    layer.conv.weight.data[(0, 0, *last[1:])] = 1.0  # the far corner: one voxel along each axis
    offsets = torch.randn(2, 3**dims, dims, *SHAPE[:dims])
    offsets[:, -1] = torch.tensor([-0.5, *[0.0] * (dims - 1)]).reshape(dims, *[1] * dims)
    here = layer.read(x, offsets)[(0, 0, 2, *[2] * (dims - 1))]
    between = (x[(0, 0, 2, *[3] * (dims - 1))] + x[(0, 0, 3, *[3] * (dims - 1))]) / 2
    torch.testing.assert_close(here, between, atol=1e-5, rtol=0)


@by_dimension
def test_gradients_are_those_of_finite_differences(dims):
    torch.manual_seed(1)
    layer = DeformableConv(dims, 2, 2).double()
    shape = (3, 2, 2)[:dims]
    x = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    offsets = torch.rand(1, 3**dims, dims, *shape, dtype=torch.float64) * 0.8 + 0.1  # between voxels
    assert torch.autograd.gradcheck(layer.read, (x, offsets.requires_grad_()))


@by_dimension
def test_the_loss_reaches_what_predicts_the_offsets(dims):
    layer, x = layer_and_image(dims, global_context=True)
    layer(x).square().sum().backward()
    assert all(weight.grad.abs().max() > 0 for weight in layer.parameters())


def test_only_with_global_context_a_distant_voxel_moves_the_kernel():
    near, far = torch.randn(1, 3, 12, 12), None
    far = near.clone()
    far[..., -1, -1] += 5
    for context in (False, True):
        layer, _ = layer_and_image(2, global_context=context)
        for weight in (
            (layer.offset.weight, *layer.context.parameters()) if context else [layer.offset.weight]
        ):
            nn.init.normal_(weight)
        moved = (layer.offsets(near) - layer.offsets(far))[..., 0, 0].abs().max() > 0
        assert moved == context


def test_its_activity_is_the_mean_distance_in_voxels():
    layer, x = layer_and_image(2)
    layer.offset.bias.data[:] = torch.tensor([20.0, -10.0]).repeat(9)  # a tenth of it is the offset
    layer(x)
    assert layer.activity()["offset"] == 1.5
    assert not layer.activity()["offset"].requires_grad


def test_the_coarsest_encoder_stages_have_it():
    network = UNet(1, 2, features=(2, 2, 2), block=Deformable(coarsest=2, global_context=True))
    found = {name.partition(".")[0] for name, m in network.encoder.named_modules() if hasattr(m, "offset")}
    assert found == {"1", "2"}
    assert not any(isinstance(m, DeformableConv) for m in network.decoder.modules())


def test_no_level_at_all_is_refused():
    with pytest.raises(ValueError, match="coarsest: expected at least 1 level, got 0"):
        Deformable(coarsest=0)
