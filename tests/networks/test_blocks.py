"""The shared pieces: norms, padding, cropping."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.blocks import (
    DoubleConv,
    InstanceNorm,
    check_network,
    conv,
    crop,
    normalisation,
    pad_to_multiple,
)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_instance_norm_is_pytorchs(spatial_dims):
    x = torch.randn(2, 3, *[5] * spatial_dims)
    ours, theirs = InstanceNorm(3), [nn.InstanceNorm2d, nn.InstanceNorm3d][spatial_dims - 2](3, affine=True)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


def test_instance_norm_passes_a_single_voxel():
    x = torch.randn(2, 3, 1, 1)
    assert torch.equal(InstanceNorm(3)(x), x)


def test_a_norm_takes_the_bias_of_its_convolution():
    def biases(norm):
        return [m.bias is not None for m in DoubleConv(2, 1, 4, norm).modules() if isinstance(m, nn.Conv2d)]

    assert biases("instance") == biases("batch") == [False, False]
    assert biases("none") == [True, True]


def test_an_unknown_norm_is_refused_by_name():
    with pytest.raises(ValueError, match="norm: expected 'instance', 'batch' or 'none', got 'layer'"):
        normalisation("layer", 2, 4)  # type: ignore[arg-type]


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
