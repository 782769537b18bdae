"""U-Net++ against MONAI's, its heads, and its pruning."""

import pytest
import torch
from monai.networks.nets import BasicUNetPlusPlus

from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_equals_monais_with_the_same_weights_at_every_head(spatial_dims):
    # MONAI's up-sampling halves its channels (except to level 0): these widths make that come out as ours.
    features = (4, 4, 8, 16, 32)
    ours = UNetPlusPlus(2, 3, spatial_dims, features)
    twin = BasicUNetPlusPlus(
        spatial_dims,
        2,
        3,
        (*features, 4),
        deep_supervision=True,
        act=("LeakyReLU", {"negative_slope": 0.01}),
        bias=False,
    )
    weights = ours.state_dict()

    def of(prefix):
        return [value for key, value in weights.items() if key.startswith(prefix)]

    mapped = {}
    for name in dict.fromkeys(key.rsplit(".convs.", 1)[0].split(".")[0] for key in twin.state_dict()):
        if name.startswith("final_conv"):
            values = of(f"logits.{int(name[-1]) - 1}.")
        else:
            i, j = name[-3], name[-1]
            values = of(f"up.{i},{j}.") + of(f"node.{i},{j}.")
        keys = [key for key in twin.state_dict() if key.startswith(name + ".")]
        mapped |= dict(zip(keys, values, strict=True))
    twin.load_state_dict(mapped)

    image = torch.randn(1, 2, *[32] * spatial_dims)
    for our_head, their_head in zip(ours.heads(image), twin(image), strict=True):
        torch.testing.assert_close(our_head, their_head, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(32, 40), (21, 19), (16, 8, 13)])
def test_a_pruned_network_gives_what_its_head_gave(shape):
    network = UNetPlusPlus(1, 2, len(shape), features=(4, 6, 8, 10))
    image = torch.randn(1, 1, *shape)
    heads = network.heads(image)
    for depth, head in enumerate(heads, start=1):
        assert torch.equal(network(image, depth=depth), head)
        assert torch.equal(network.pruned(depth)(image), head)
        assert len(network.pruned(depth).heads(image)) == depth
    assert torch.equal(network(image), heads[2])
    assert parameters(network) == parameters(
        UNetPlusPlus(1, 2, len(shape), features=(4, 6, 8, 10))
    )  # a copy is cut


def test_pruning_saves_operations_and_parameters_at_every_depth():
    network, shape = UNetPlusPlus(1, 2, 2, features=(4, 8, 16, 32)), (1, 1, 64, 64)
    costs = [flops(network, shape, depth=depth) for depth in (1, 2, 3)]
    assert costs == sorted(set(costs))
    assert costs[0] < 0.5 * costs[-1]
    assert flops(network, shape) == costs[-1]
    counts = [parameters(network.pruned(depth)) for depth in (1, 2, 3)]
    assert counts == [
        parameters(UNetPlusPlus(1, 2, features=(4, 8, 16, 32)[: depth + 1])) for depth in (1, 2, 3)
    ]


def test_the_operations_of_depth_1_by_hand():
    # 8 x 8 pixels, 2 and 4 channels. x(0,0): 1->2->2; x(1,0) on a quarter: 2->4->4; up 4->2: one tap a pixel;
    # x(0,1): 4->2->2; head 2->3.
    multiply_adds = 64 * 9 * (2 + 4) + 16 * 9 * (8 + 16) + 64 * 4 * 2 + 64 * 9 * (8 + 4) + 64 * 2 * 3
    assert flops(UNetPlusPlus(1, 3, features=(2, 4, 8)), (1, 1, 8, 8), depth=1) == 2 * multiply_adds


def test_depth_1_is_a_u_net_of_two_levels():
    nested, plain = UNetPlusPlus(1, 2, features=(4, 8, 16)), UNet(1, 2, features=(4, 8))
    modules = (nested.node["0,0"], nested.node["1,0"], nested.up["0,1"], nested.node["0,1"], nested.logits[0])
    parts = (*plain.encoder, plain.decoder.up[0], plain.decoder.stage[0], plain.head)
    for source, target in zip(modules, parts, strict=True):
        target.load_state_dict(source.state_dict())
    image = torch.randn(1, 1, 16, 24)
    assert torch.equal(nested(image, depth=1), plain(image))


def test_pruned_nodes_are_not_computed():
    network, computed = UNetPlusPlus(1, 2, features=(2, 2, 2, 2)), []
    for name, node in network.node.items():
        node.register_forward_hook(lambda *_, name=name: computed.append(name))
    network(torch.zeros(1, 1, 16, 16), depth=2)
    assert sorted(computed) == ["0,0", "0,1", "0,2", "1,0", "1,1", "2,0"]


def test_the_number_of_nodes_and_their_inputs():
    network = UNetPlusPlus(1, 2, features=(2, 3, 5, 7))
    assert len(network.node) == 4 + 3 + 2 + 1
    assert network.node["0,3"][0][0].in_channels == 4 * 2  # three skips and what comes from below
    assert network.node["1,2"][0][0].in_channels == 3 * 3
    assert parameters(network) > parameters(UNet(1, 2, features=(2, 3, 5, 7)))


@pytest.mark.parametrize("depth", [0, 3, -1])
def test_an_impossible_depth_is_refused(depth):
    network, said = UNetPlusPlus(1, 2, features=(2, 2, 2)), f"depth: expected 1 to 2, got {depth}"
    with pytest.raises(ValueError, match=said):
        network(torch.zeros(1, 1, 8, 8), depth=depth)
    with pytest.raises(ValueError, match=said):
        network.pruned(depth)
