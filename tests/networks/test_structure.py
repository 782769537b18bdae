"""The graph that is traced is the graph in the code."""

import pytest
from torch import nn

from medseg_lab.networks.deformable import Deformable
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.structure import INPUT, Edge, size, trace
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet


def _pairs(edges):
    return {(e.source, e.target) for e in edges}


def test_the_u_nets_skips_are_found_and_without_them_only_their_edges_are_missing():
    found = trace(UNet(1, 2, features=(2, 4, 8)), (1, 1, 16, 16))
    assert _pairs(found.skips()) == {("encoder 0", "decoder 0"), ("encoder 1", "decoder 1")}
    assert Edge("encoder 0", "encoder 1", ("max pooling",)) in found.edges
    assert Edge("decoder 1", "decoder 0", ("transposed convolution", "concatenation")) in found.edges
    without = trace(UNet(1, 2, features=(2, 4, 8), skips=False), (1, 1, 16, 16))
    assert without.skips() == []
    assert _pairs(without.edges) == _pairs(found.edges) - _pairs(found.skips())


def test_the_graph_comes_from_what_is_computed_not_from_what_is_declared():
    class OneLevel(UNet):
        """Has the modules of a U-Net with two levels, and does not use the lower level."""

        def forward(self, image):
            return self.head(self.encoder[0](image))

    found = trace(OneLevel(1, 2, features=(2, 4)), (1, 1, 16, 16))
    assert list(found.stages) == [INPUT, "encoder 0", "logits"]
    assert _pairs(found.edges) == {(INPUT, "encoder 0"), ("encoder 0", "logits")}


@pytest.mark.parametrize("levels", [2, 4])
def test_the_number_of_nodes_and_edges_of_a_u_net_pp(levels):
    found = trace(UNetPlusPlus(1, 2, features=(2,) * levels), (1, 1, 32, 32))
    nodes = levels * (levels + 1) // 2
    heads = levels - 1
    inner = nodes - levels  # x(i, j) with j > 0, each fed from below
    dense = sum(j for i in range(levels) for j in range(1, levels - i))  # x(i, j) reads j nodes of its level
    assert len(found.stages) == 1 + nodes + heads
    assert len(found.skips()) == dense
    assert len(found.edges) == 1 + (levels - 1) + inner + dense + heads


def test_a_pruned_u_net_pp_has_no_lower_diagonals():
    found = trace(UNetPlusPlus(1, 2, features=(2, 2, 2, 2)), (1, 1, 32, 32), depth=1)
    assert set(found.stages) == {INPUT, "x(0,0)", "x(1,0)", "x(0,1)", "logits 1"}


@pytest.mark.parametrize(("stride", "skips"), [(32, 0), (16, 1), (8, 2)])
def test_fcns_skips_are_sums_of_scores(stride, skips):
    found = trace(FCN(1, 2, stride=stride, features=(2,) * 5), (1, 1, 64, 64))
    assert len(found.skips()) == skips
    assert {found.stages[e.target].content for e in found.skips()} <= {"sum"}
    assert found.stages["logits"].content == f"enlarge ×{stride}"


def test_v_net_halves_by_convolution_and_has_shortcuts():
    found = trace(VNet(1, 2, features=(2, 4), convs=(1, 2)), (1, 1, 16, 16))
    assert Edge("encoder 0", "encoder 1", ("convolution",)) in found.edges
    assert all(found.stages[name].shortcut for name in ("encoder 0", "encoder 1", "decoder 0"))
    assert found.stages["encoder 1"].content == "2× conv 3²"
    for plain in (UNet(1, 2), UNet(1, 2, block=Deformable())):  # offsets are added to places, not features
        assert not any(stage.shortcut for stage in trace(plain, (1, 1, 16, 16)).stages.values())


def test_stages_have_channels_and_shape():
    found = trace(UNet(2, 3, 3, features=(4, 8)), (1, 2, 10, 16, 8))
    assert (found.stages["encoder 1"].channels, found.stages["encoder 1"].shape) == (8, (5, 8, 4))
    assert (found.stages[INPUT].channels, found.stages["logits"].channels) == (2, 3)


def test_progress_is_the_longest_path_from_the_image():
    depth = trace(UNetPlusPlus(1, 2, features=(2, 2, 2)), (1, 1, 16, 16)).progress()
    # One edge to x(0,0); to x(i, j) i edges down, and j times an edge down and up: 1 + i + 2 j.
    assert {k: v for k, v in depth.items() if k.startswith("x")} == {
        f"x({i},{j})": 1 + i + 2 * j for i in range(3) for j in range(3 - i)
    }


def test_tracing_computes_nothing_and_does_not_change_the_network():
    network = UNet(1, 2, 3, features=(2, 4))
    trace(network, (1, 1, 4096, 4096, 4096))  # 256 GiB, if it were computed
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    assert not any(m._forward_hooks for m in network.modules() if isinstance(m, nn.Module))


def test_the_structure_in_words():
    text = trace(UNet(1, 2, features=(2, 4)), (1, 1, 16, 16)).describe()
    assert text == (
        "4 stages at 2 resolutions, from 16² to 8², joined by 5 arrows. Skips: encoder 0 to decoder 0."
    )


def test_sizes_are_short_where_they_can_be():
    assert [size((48, 48)), size((48, 48, 48)), size((40, 56, 40))] == ["48²", "48³", "40×56×40"]
