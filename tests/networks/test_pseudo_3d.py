"""Pseudo-3D convolutions and their fusion over three directions: weights, receptive field, axes, cost."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.blocks import Stage
from medseg_lab.networks.fused_directions import DirectionFusion, FusedDirections
from medseg_lab.networks.measure import flops, parameters, receptive_field
from medseg_lab.networks.pseudo_3d import PseudoConv, PseudoThreeD, plane_and_line
from medseg_lab.networks.structure import trace
from medseg_lab.networks.unet import UNet


def stage(dims, inner=12, outer=12):
    return Stage(dims, inner, outer, "none", "encoder", 0, 2)


def kernels(module):
    return [m.kernel_size for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]


def test_the_plane_lies_across_the_axis():
    assert plane_and_line(3, -1) == plane_and_line(3, 2) == ((3, 3, 1), (1, 1, 3))
    assert plane_and_line(3, 0) == ((1, 3, 3), (3, 1, 1))
    assert plane_and_line(2, -1) == ((3, 1), (1, 3))
    for axis in (3, -4):
        with pytest.raises(ValueError, match=f"axis: expected -3 to 2 in 3D, got {axis}"):
            plane_and_line(3, axis)


def test_a_rank_one_kernel_is_split_without_loss():
    """Where 3x3x3 weights are a product of plane and line, the pseudo-3D convolution is that convolution."""
    split = PseudoConv(3, 1, 1, "none", axis=1).double()
    split[0][-1] = nn.Identity()  # the activation between the two
    whole = nn.Conv3d(1, 1, 3, padding=1, bias=False).double()
    with torch.no_grad():
        for convolution in (split[0][0], split[1][0]):
            convolution.bias.zero_()
        whole.weight.copy_(split[0][0].weight * split[1][0].weight)
    image = torch.randn(1, 1, 6, 7, 5).double()
    torch.testing.assert_close(split(image), nn.functional.leaky_relu(whole(image), 0.01))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("block", [PseudoThreeD(), PseudoThreeD(axis=0), FusedDirections()])
def test_a_block_reads_as_far_as_the_plain_convolutions(block, dims):
    assert receptive_field(block(stage(dims)), extent=16) == (5,) * dims


def test_weights_by_hand():
    pseudo = 2 * (12 * 12 * 9 + 12 * 12 * 3) + 4 * 12  # two of them, and their biases
    assert parameters(PseudoThreeD()(stage(3))) == pseudo
    branch = 12 * 4 * 9 + 4 * 4 * 3 + 2 * 4
    fusion = 3 * branch + 12 * 12 + 12
    assert parameters(DirectionFusion(3, 12, 12, "none")) == fusion
    # as in the docstring: 12 and 11 weights for 27
    shape = (1, 12, 4, 4, 4)
    plain = flops(nn.Conv3d(12, 12, 3, padding=1), shape)
    assert flops(PseudoConv(3, 12, 12, "none"), shape) * 27 == plain * 12
    assert flops(DirectionFusion(3, 12, 12, "none"), shape) * 27 == plain * 11


def test_each_branch_of_the_fusion_has_another_axis_and_all_are_read():
    fusion = DirectionFusion(3, 2, 5, "instance")
    assert [kernels(branch) for branch in fusion.branches] == [
        [(1, 3, 3), (3, 1, 1)],
        [(3, 1, 3), (1, 3, 1)],
        [(3, 3, 1), (1, 1, 3)],
    ]
    found = trace(fusion, (1, 2, 8, 8, 8))
    assert {(e.source, e.target) for e in found.edges if e.target == "fused"} == {
        (f"axis {axis}", "fused") for axis in range(3)
    }
    assert found.stages["axis 2"].content == "conv 3×3×1\nconv 1×1×3"


@pytest.mark.parametrize("block", [PseudoThreeD(), FusedDirections()])
def test_no_kernel_of_the_u_net_is_a_cube_any_more(block):
    network = UNet(1, 2, 3, features=(4, 8), block=block)
    assert max(torch.Size(kernel).numel() for kernel in kernels(network)) == 9
