"""Convolutions give the gradients of float32, whatever is left of a small map."""

import pytest
import torch

from medseg_lab.networks.convolution import Conv2d, Conv3d


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
@pytest.mark.parametrize("kernel", [3, 5])
def test_the_weight_gradient_in_bfloat16_is_that_in_float32(kind, dims, edge, stride, kernel):
    torch.manual_seed(0)
    layer = kind(16, 16, kernel, stride, padding=kernel // 2)
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
