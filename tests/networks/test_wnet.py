"""WNet: which axes it thins out and reads across, its dilations, and a view as the network turned."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.measure import flops, parameters, receptive_field
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.wnet import PAPER, WNet

SLIM = {"features": (4, 4, 4, 4)}


def test_its_residual_pairs_are_dilated_in_the_plane_alone():
    found = [
        m.dilation
        for m in WNet(1, 2, **SLIM).stage.modules()
        if isinstance(m, nn.Conv3d) and m.kernel_size == (3, 3, 1)
    ]
    rates = [1, 1, 1, 1, 1, 2, 3, 3, 2, 1]  # of ten pairs
    assert found == [(rate, rate, 1) for rate in rates for _ in range(2)]


def test_it_sees_four_neighbours_across_the_slices_and_far_in_the_plane():
    """Across: 3 voxels after each of four stages. In the plane: by hand, in voxels of the image."""
    full = 4 * 2 * 1  # four convolutions
    half = 2 * 1 + 4 * 2 * 2  # the strided one reads at full resolution
    quarter = 2 * 2 + 2 * (1 + 2 + 3 + 3 + 2 + 1) * 2 * 4
    # Scores of a quarter cover blocks of 4 voxels; the last convolution reaches a voxel into the next block.
    field = receptive_field(WNet(1, 2, **SLIM))
    assert field[2] == 1 + 4 * 2
    assert field[0] == field[1]
    assert 1 + full + half + quarter <= field[0] <= 1 + full + half + quarter + 3 + 2 + 4


def test_slices_are_never_thinned_out():
    shapes = {}
    network = WNet(1, 2, axis=0, **SLIM)
    for i, stage in enumerate(network.stage):
        stage.register_forward_hook(lambda _, __, out, i=i: shapes.update({i: tuple(out.shape[2:])}))
    network(torch.zeros(1, 1, 5, 16, 24))
    assert shapes == {0: (5, 16, 24), 1: (5, 8, 12), 2: (5, 4, 6), 3: (5, 4, 6)}


def test_another_axis_is_the_same_network_for_a_turned_volume():
    turned, plain = WNet(1, 2, axis=0, **SLIM), WNet(1, 2, **SLIM)
    turned.load_state_dict(
        {
            name: value.movedim(-1, 2) if value.ndim == 5 else value
            for name, value in plain.state_dict().items()
        }
    )
    volume = torch.randn(1, 1, 12, 9, 7)
    found = turned(volume.movedim(-1, 2)).movedim(2, -1)
    torch.testing.assert_close(found, plain(volume), atol=1e-5, rtol=1e-4)


def test_it_costs_as_much_as_the_2d_u_net_and_few_parameters():
    volume, image = flops(WNet(1, 4), (1, 1, 64, 64, 8)), flops(UNet(1, 4, 2), (1, 1, 128, 256))
    assert volume == pytest.approx(image, rel=0.05)  # of 32,768 voxels both
    assert parameters(WNet(1, 4)) < parameters(UNet(1, 4, 2)) / 3
    assert WNet(4, 2, 3, **PAPER).stage[0][0].channels == 32


def test_impossible_widths_are_refused():
    with pytest.raises(ValueError, match="features: expected four widths"):
        WNet(1, 2, features=(4, 4, 4, 4, 4))
    with pytest.raises(ValueError, match="in_channels: expected at most 4, the first width, got 5"):
        WNet(5, 2, **SLIM)
