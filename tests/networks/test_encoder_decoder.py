"""Networks that can be taken apart, and the decoder that they share."""

import pytest
import torch
from torch import nn

from medseg_lab.networks.encoder_decoder import Decoder, EncoderDecoder, encoder_decoder
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.measure import parameters
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet

WIDTHS = (4, 6, 8)
NETWORKS = {
    "U-Net": lambda dims: UNet(2, 3, dims, features=WIDTHS, dropout=0.5),
    "U-Net with auxiliary heads": lambda dims: UNet(2, 3, dims, features=WIDTHS, deep_supervision=True),
    "U-Net without skips": lambda dims: UNet(2, 3, dims, features=WIDTHS, skips=False),
    "U-Net++": lambda dims: UNetPlusPlus(2, 3, dims, features=WIDTHS),
    "U-Net++ cut": lambda dims: UNetPlusPlus(2, 3, dims, features=(*WIDTHS, 9)).pruned(2),
}
every = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
sizes = pytest.mark.parametrize("size", [(13, 18), (9, 8, 6)])


def ids(module: nn.Module) -> set[int]:
    return {id(parameter) for parameter in module.parameters()}


@every
@sizes
def test_its_parts_one_by_one_are_the_whole_network(build, size):
    network, image = build(len(size)).eval(), torch.randn(1, 2, *size)
    assert isinstance(network, EncoderDecoder)
    assert encoder_decoder(network) is network
    encoded = network.encode(image)
    assert network.widths == WIDTHS
    assert network.strides == (2, 2)
    padded = [-(-edge // network.multiple) * network.multiple for edge in size]
    for level, (features, width) in enumerate(zip(encoded, WIDTHS, strict=True)):
        assert features.shape == (1, width, *(edge // 2**level for edge in padded))
    logits = network.scores(encoded, size)
    assert logits.shape == (1, 3, *size)
    assert torch.equal(logits, network(image))
    decoded = network.decode(encoded, size)
    assert decoded.shape == (1, WIDTHS[0], *size)
    torch.testing.assert_close(network.head(decoded), logits)


@every
def test_the_encoder_and_the_rest_share_no_parameter(build):
    network = build(2)
    sum(features.sum() for features in network.encode(torch.randn(1, 2, 16, 16))).backward()
    encoder = ids(network.encoder)
    assert encoder == {id(p) for p in network.parameters() if p.grad is not None}
    assert encoder.isdisjoint(ids(network.head))
    assert encoder | ids(network.head) < ids(network)


@every
@sizes
def test_the_encoder_alone_encodes_the_same(build, size):
    network, image = build(len(size)).eval(), torch.randn(1, 2, *size)
    before, encoder = network.encode(image), ids(network.encoder)
    alone = network.encoder_alone()
    assert all(map(torch.equal, alone.encode(image), before))
    assert ids(alone) == encoder


@every
def test_what_reaches_the_head_by_skips(build):
    network = build(2).eval()
    encoded = network.encode(torch.randn(1, 2, 16, 16))
    before = network.scores(encoded, (16, 16))
    for level in range(3):
        changed = [torch.randn_like(f) if i == level else f for i, f in enumerate(encoded)]
        same = torch.equal(network.scores(changed, (16, 16)), before)
        assert same == (level < 2 and isinstance(network, UNet) and not network.decoder.skips)


@pytest.mark.parametrize("network", [VNet(1, 2), FCN(1, 2), nn.Identity()])
def test_a_network_that_cannot_be_taken_apart_is_refused(network):
    assert not isinstance(network, EncoderDecoder)
    name = type(network).__name__
    with pytest.raises(
        ValueError,
        match=rf"network: expected .* UNet or UNetPlusPlus\), got {name}, .* has no .*encode, decode",
    ):
        encoder_decoder(network)


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize(
    ("strides", "sizes"), [((2, 2), (12, 6, 3)), ((1, 4), (12, 12, 3)), ((3, 2), (12, 4, 2))]
)
@pytest.mark.parametrize("dims", [2, 3])
def test_the_decoder_leads_from_the_coarsest_level_to_the_finest(dims, strides, sizes, skips):
    decoder = Decoder(dims, WIDTHS, strides, skips)
    encoded = [torch.randn(2, width, *[size] * dims) for width, size in zip(WIDTHS, sizes, strict=True)]
    found = decoder(encoded)
    assert found.shape == encoded[0].shape
    # the same, level by level
    middle = decoder.step(1, encoded[2], encoded[1])
    assert middle.shape == encoded[1].shape
    assert torch.equal(decoder.step(0, middle, encoded[0]), found)
    assert all(map(torch.equal, decoder.levels(encoded), (found, middle, encoded[2])))
    # a stage reads the features of its level, if there are skips, and the up-sampled ones
    reads = [stage[0][0].in_channels for stage in decoder.stage]
    assert reads == ([8, 12] if skips else [4, 6])
    changed = [torch.randn_like(features) for features in encoded[:2]]
    assert torch.equal(decoder([*changed, encoded[2]]), found) == (not skips)
    assert not torch.equal(decoder([*encoded[:2], torch.randn_like(encoded[2])]), found)


def test_the_decoders_parameters_by_hand():
    # widths 4 and 8 in 2D: up 2 x 2 from 8 to 4 with biases; two convolutions, norms of 2 numbers a channel
    up, last = 4 * 8 * 4 + 4, 9 * 4 * 4 + 8
    assert parameters(Decoder(2, (4, 8), (2,))) == up + 9 * 8 * 4 + 8 + last
    assert parameters(Decoder(2, (4, 8), (2,), skips=False)) == up + 9 * 4 * 4 + 8 + last
    assert parameters(Decoder(2, (4, 8), (2,), norm="none")) == up + 9 * 8 * 4 + 4 + 9 * 4 * 4 + 4


def test_of_a_single_level_there_is_nothing_to_decode():
    features = torch.randn(1, 4, 5, 5)
    assert Decoder(2, (4,), ())([features]) is features


@pytest.mark.parametrize("skips", [True, False])
def test_strides_of_each_axis_are_kept_by_encoder_decoder_and_heads(skips):
    network = UNet(1, 3, 3, (4, 6, 8), skips, deep_supervision=True, strides=[[1, 2, 2], [2, 1, 3]])
    assert network.strides == ((1, 2, 2), (2, 1, 3))
    assert network.multiple == (2, 2, 6)
    image = torch.randn(1, 1, 3, 4, 11)  # padded to 4, 4, 12
    encoded = network.encode(image)
    assert [tuple(x.shape[2:]) for x in encoded] == [(4, 4, 12), (4, 2, 6), (2, 2, 2)]
    decoded = network.decoder.levels(encoded)
    assert [x.shape[2:] for x in decoded] == [x.shape[2:] for x in encoded]
    coarse, fine = network.heads(image)
    assert torch.equal(fine, network(image))
    # the coarser head sees half of the last two axes, and is enlarged there alone
    enlarged = nn.functional.interpolate(
        network.auxiliary[0](decoded[1]), size=(4, 4, 12), mode="trilinear", align_corners=False
    )
    torch.testing.assert_close(coarse, enlarged[:, :, :3, :4, :11])


def test_strides_of_two_everywhere_are_the_default():
    torch.manual_seed(0)
    plain, image = UNet(1, 2, 3, (2, 3, 4)), torch.randn(1, 1, 8, 6, 5)
    torch.manual_seed(0)
    given = UNet(1, 2, 3, (2, 3, 4), strides=[[2, 2, 2], 2])
    assert torch.equal(given(image), plain(image))


@pytest.mark.parametrize(
    ("strides", "message"),
    [([2], "expected 2, one a level after the first, got"), ([2, [1, 2]], "or 3 for each level, got")],
)
def test_strides_that_do_not_fit_are_refused(strides, message):
    with pytest.raises(ValueError, match=message):
        UNet(1, 2, 3, (2, 3, 4), strides=strides)
