"""The shared pieces: norms, padding, cropping."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.blocks import (
    DoubleConv,
    check_network,
    conv,
    crop,
    pad_to_multiple,
)
from medseg_lab.networks.norms import InstanceNorm

FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("batch", [1, 3, 24])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_instance_norm_and_its_gradients_are_pytorchs(spatial_dims, batch, last):
    def through(norm, x, slope):
        x = x.clone().requires_grad_()
        out = norm(x)
        return out, *torch.autograd.grad(out, (x, norm.weight, norm.bias), slope)

    torch.manual_seed(0)
    ours, theirs = InstanceNorm(5), [nn.InstanceNorm2d, nn.InstanceNorm3d][spatial_dims - 2](5, affine=True)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    x, slope = torch.randn(2, batch, 5, *[6] * spatial_dims)
    # PyTorch's gradient is wrong for one sample with a channels-last slope, so it is asked in plain layout.
    expected = through(theirs, x, slope)
    if last:
        x, slope = (a.contiguous(memory_format=FORMATS[spatial_dims]) for a in (x, slope))
    found = through(ours, x, slope)
    if last:
        assert found[0].is_contiguous(memory_format=FORMATS[spatial_dims])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=5e-5, rtol=1e-5)  # a bias adds 5,000 slopes


def test_instance_norm_of_mixed_layouts_and_in_double_precision():
    norm = InstanceNorm(3).double()
    x = torch.randn(2, 3, 3, 2).double().contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(norm, x)
    assert torch.autograd.gradgradcheck(norm, x)
    slope = torch.randn(2, 3, 3, 2).double()
    last = slope.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(*(torch.autograd.grad(norm(x), x, s)[0] for s in (slope, last)))


def test_instance_norm_in_bfloat16_is_that_of_float32_to_rounding():
    x, norm = torch.randn(3, 4, 8, 8), InstanceNorm(4)
    with torch.autocast("cpu", torch.bfloat16):
        low = norm(x.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), norm(x), atol=0.03, rtol=0)


def test_instance_norm_passes_a_single_voxel():
    x = torch.randn(2, 3, 1, 1)
    assert torch.equal(InstanceNorm(3)(x), x)


def test_a_norm_of_each_channel_takes_the_bias_of_its_convolution():
    def biases(norm):
        return [m.bias is not None for m in DoubleConv(2, 1, 4, norm).modules() if isinstance(m, nn.Conv2d)]

    assert biases("instance") == biases("batch") == [False, False]
    assert biases("group") == biases("layer") == biases("none") == [True, True]


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, 7), (5, 1, 7), (1, 1, 7), (2, 2, 3)])
def test_odd_kernels_keep_the_size_and_stride_2_halves_it(kernel, stride, size):
    assert conv(2, 1, 2, kernel, stride)(torch.zeros(1, 1, 7, 7)).shape == (1, 2, size, size)


def test_padding_repeats_the_last_voxels_and_cropping_undoes_it():
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(image, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert torch.equal(crop(padded, (2, 3)), image)


def test_a_size_that_fits_is_not_copied():
    image = torch.zeros(1, 1, 4, 8)
    assert pad_to_multiple(image, 4) is image


def test_padding_knows_the_order_of_the_axes():
    assert pad_to_multiple(torch.zeros(1, 1, 5, 8, 9), 8).shape == (1, 1, 8, 8, 16)


@pytest.mark.parametrize(
    ("spatial_dims", "features", "said"),
    [
        (1, (4, 8), "spatial_dims: expected 2 or 3, got 1"),
        (4, (4, 8), "spatial_dims: expected 2 or 3, got 4"),
        (2, (), r"features: expected at least 2 positive widths, got \(\)"),
        (2, (4, 0), r"features: expected at least 2 positive widths, got \(4, 0\)"),
        (3, (4,), r"features: expected at least 2 positive widths, got \(4,\)"),
    ],
)
def test_impossible_networks_are_refused(spatial_dims, features, said):
    with pytest.raises(ValueError, match=said):
        check_network(spatial_dims, features, at_least=2)
