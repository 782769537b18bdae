"""Convolutions give the gradients of float32, whatever is left of a small map."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.convolution import Conv2d, Conv3d, ConvTranspose3d


def weight_gradient(layer, image, bfloat16):
    layer.zero_grad()
    # what a kernel reads without having written it is then not zero by luck
    _ = [torch.full((2**size,), float("nan")) for size in range(8, 18)]
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        layer(image).float().square().mean().backward()
    return layer.weight.grad.clone()


@pytest.mark.parametrize("edge", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kind", "dims"), [(Conv2d, 2), (Conv3d, 3)])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (3, 2)])
def test_the_weight_gradient_in_bfloat16_is_that_in_float32(kind, dims, edge, stride, kernel, dilation):
    torch.manual_seed(0)
    layer = kind(16, 16, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation)
    image = torch.randn(2, 16, *[edge] * dims)
    exact = weight_gradient(layer, image, bfloat16=False)
    for _ in range(3):
        rounded = weight_gradient(layer, image, bfloat16=True)
        assert (rounded - exact).abs().max() < 0.03 * exact.abs().max()


def test_where_the_kernel_is_right_bfloat16_is_used():
    layer = Conv3d(2, 2, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 2, 4, 4, 4)).dtype is torch.bfloat16
        assert layer(torch.randn(1, 2, 2, 4, 4)).dtype is torch.float32
    assert layer(torch.randn(1, 2, 2, 4, 4)).dtype is torch.float32


@pytest.mark.parametrize("depth", [1, 2, 7, 8])
@pytest.mark.parametrize(
    "shape",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (3, 3, 1), "padding": (1, 1, 0)},
        {"kernel_size": (1, 1, 3), "padding": (0, 0, 1)},
        {"kernel_size": (3, 1, 1), "padding": (1, 0, 0)},
        {"kernel_size": (3, 1, 1), "padding": (2, 0, 0)},
        {"kernel_size": 3, "padding": (3, 3, 0), "dilation": (3, 3, 1)},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "padding": (2, 0, 1)},
    ],
)
def test_a_small_volume_alone_is_convolved_as_pytorch_does(depth, shape):
    layer = Conv3d(3, 4, **shape)
    x = torch.randn(1, 3, depth, 5, 6).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    both = []
    for out in (layer(x), nn.Conv3d.forward(layer, x)):
        slope = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
        both.append((out, *torch.autograd.grad(out, (x, layer.weight, layer.bias), slope)))
    for ours, theirs in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (3, 1, 1)])
def test_a_small_volume_alone_goes_to_onednn(kernel):
    """Else it takes several times as long."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch was built without oneDNN")
    layer = Conv3d(16, 16, kernel, padding=[size // 2 for size in kernel])
    x = torch.randn(1, 16, 12, 12, 12)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        layer(x)
    names = {event.key for event in seen.key_averages()}
    assert "aten::mkldnn_convolution" in names
    assert "aten::slow_conv3d_forward" not in names


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize(
    ("layer", "plain"),
    [
        (Conv3d(3, 4, 1), nn.Conv3d),
        (Conv3d(3, 4, 1, stride=2), nn.Conv3d),
        (Conv3d(3, 4, 1, padding=1), nn.Conv3d),
        (ConvTranspose3d(3, 4, 2, stride=2), nn.ConvTranspose3d),
        (ConvTranspose3d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.ConvTranspose3d),
    ],
)
def test_kernels_of_one_voxel_and_transposed_ones_compute_what_pytorchs_do(layer, plain, depth):
    x = torch.randn(1, 3, depth, 5, 6).contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(layer(x), plain.forward(layer, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "layer", [Conv3d(3, 4, 1), Conv3d(3, 4, 3, padding=1), ConvTranspose3d(3, 4, 2, stride=2)]
)
def test_the_channels_stay_innermost(layer):
    x = torch.randn(1, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
    assert layer(x).is_contiguous(memory_format=torch.channels_last_3d)
