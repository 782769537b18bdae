"""U-Net against MONAI's, and what removing its skips means."""

import pytest
import torch
from monai.networks.nets import BasicUNet
from torch.nn import functional as F

from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.unet import UNet
from medseg_lab.survey.claims import claims
from medseg_lab.training.names import recipe_called


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_equals_monais_with_the_same_weights(spatial_dims):
    # MONAI's last up-sampling keeps its channels, the others halve them: as ours with these widths.
    features = (4, 4, 8, 16, 32)
    ours = UNet(2, 3, spatial_dims, features)
    twin = BasicUNet(
        spatial_dims, 2, 3, (*features, 4), act=("LeakyReLU", {"negative_slope": 0.01}), bias=False
    )
    # Both list parameters from the image to the logits, once the up-samplings stand beside the decoders.
    weights = dict(ours.state_dict())
    order = [k for k in weights if k.startswith("encoder")]
    for i in reversed(range(4)):
        order += [k for k in weights if k.startswith((f"decoder.up.{i}.", f"decoder.stage.{i}."))]
    order += ["head.weight", "head.bias"]
    assert sorted(order) == sorted(weights)
    twin.load_state_dict(dict(zip(twin.state_dict(), (weights[k] for k in order), strict=True)))

    image = torch.randn(2, 2, *[32] * spatial_dims)
    torch.testing.assert_close(ours(image), twin(image), atol=1e-5, rtol=1e-4)


def test_parameters_by_hand():
    # Two levels of 4 and 8 channels, one channel in, two classes out, in 2D; norms have 2 numbers a channel.
    encoder = (9 * 1 * 4 + 8 + 9 * 4 * 4 + 8) + (9 * 4 * 8 + 16 + 9 * 8 * 8 + 16)
    up = 4 * 8 * 4 + 4
    decoder = 9 * 8 * 4 + 8 + 9 * 4 * 4 + 8
    head = 4 * 2 + 2
    assert parameters(UNet(1, 2, 2, features=(4, 8))) == encoder + up + decoder + head
    # Without skips the decoder's first convolution reads 4 channels instead of 8.
    assert (
        parameters(UNet(1, 2, 2, features=(4, 8), skips=False)) == encoder + up + decoder + head - 9 * 4 * 4
    )


def test_the_papers_width_has_31_million_parameters():
    # Figure 1 of the paper: one channel in, two classes, biases, no norm. By hand, with level widths f:
    # double convolutions 9 f (f/2 + f) + 2 f (9 (64 + 64^2) + 128 at the first), transposed convolutions
    # 4 (2 f) f + f, decoders 9 f (2 f + f) + 2 f, head 64 * 2 + 2.
    encoder = 9 * (64 + 64**2) + 128 + sum(9 * f * (f // 2 + f) + 2 * f for f in (128, 256, 512, 1024))
    decoder = sum(8 * f * f + f + 9 * f * 3 * f + 2 * f for f in (64, 128, 256, 512))
    paper = UNet(1, 2, features=(64, 128, 256, 512, 1024), norm="none")
    assert parameters(paper) == encoder + decoder + 130 == 31_030_658


def test_an_odd_image_equals_its_padded_self():
    network, image = UNet(1, 2, features=(4, 8, 8)), torch.randn(1, 1, 13, 18)
    padded = image[..., torch.arange(16).clamp(max=12), :][..., torch.arange(20).clamp(max=17)]
    assert torch.equal(network(image), network(padded)[..., :13, :18])


def twins(dropout: float, spatial_dims: int = 2) -> tuple[UNet, UNet]:
    """A U-Net with dropout and one without, built from the same seed."""
    built = []
    for share in (dropout, 0.0):
        torch.manual_seed(0)
        built.append(UNet(1, 2, spatial_dims, features=(4, 64), dropout=share))
    return built[0], built[1]


def test_dropout_has_no_weights_and_leaves_the_initial_ones_as_they_were():
    dropping, plain = (network.state_dict() for network in twins(0.5))
    assert list(dropping) == list(plain)
    assert all(torch.equal(dropping[name], plain[name]) for name in plain)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_dropout_acts_in_training_only(spatial_dims):
    dropping, plain = twins(0.5, spatial_dims)
    image = torch.randn(1, 1, *[8] * spatial_dims)
    assert not torch.equal(dropping(image), dropping(image))
    assert torch.equal(plain(image), plain.eval()(image))
    assert torch.equal(dropping.eval()(image), plain(image))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_dropout_leaves_whole_channels_out_of_the_coarsest_features(spatial_dims):
    torch.manual_seed(0)
    dropping, plain = twins(0.25, spatial_dims)
    image = torch.randn(16, 1, *[8] * spatial_dims)
    fine, coarse = dropping.encode(image)
    whole_fine, whole = plain.encode(image)
    assert torch.equal(fine, whole_fine)
    left = coarse.flatten(2).abs().amax(2) > 0
    # the others grow by 1 / (1 - 0.25), so that the mean stays; of 1,024 channels a quarter goes
    kept = left.view(*left.shape, *[1] * spatial_dims)
    torch.testing.assert_close(coarse, torch.where(kept, whole / 0.75, 0.0))
    assert left.float().mean().item() == pytest.approx(0.75, abs=0.05)


def test_dropout_is_nowhere_else():
    dropping, plain = twins(0.5)
    encoded = plain.encode(torch.randn(1, 1, 8, 8))
    assert torch.equal(dropping.scores(encoded, (8, 8)), plain.scores(encoded, (8, 8)))


@pytest.mark.parametrize(("size", "mode"), [((13, 18), "bilinear"), ((9, 8, 6), "trilinear")])
def test_auxiliary_heads_score_the_decoders_coarser_levels(size, mode):
    network, image = (
        UNet(1, 3, len(size), features=(2, 3, 4, 5), deep_supervision=True),
        torch.randn(1, 1, *size),
    )
    coarsest, coarser, finest = network.heads(image)
    assert torch.equal(finest, network(image))
    encoded = network.encode(image)
    decoded = [encoded[3]]
    for level in (2, 1):
        decoded.append(network.decoder.step(level, decoded[-1], encoded[level]))
    for logits, features, head, factor in zip(
        (coarser, coarsest), decoded[:0:-1], network.auxiliary, (2, 4), strict=True
    ):
        enlarged = F.interpolate(head(features), scale_factor=factor, mode=mode)
        assert torch.equal(logits, enlarged[(..., *map(slice, size))])


def test_auxiliary_heads_change_neither_the_prediction_nor_what_it_costs():
    torch.manual_seed(0)
    plain = UNet(1, 2, features=(2, 3, 4))
    torch.manual_seed(0)
    headed, image = UNet(1, 2, features=(2, 3, 4), deep_supervision=True), torch.randn(1, 1, 8, 8)
    assert torch.equal(headed(image), plain(image))
    assert flops(headed, (1, 1, 8, 8)) == flops(plain, (1, 1, 8, 8))
    assert parameters(headed) == parameters(plain) + 3 * 2 + 2
    (alone,) = plain.heads(image)
    assert torch.equal(alone, plain(image))


MATCHED = [claim for claim in claims("2.1.1") if claim.matched in ("FLOPs", "parameters")]


@pytest.mark.parametrize("claim", MATCHED, ids=[claim.id for claim in MATCHED])
def test_what_a_claim_calls_matched_is(claim):
    """To one part in ten; FLOPs are those of a prediction, voxel by voxel."""

    def cost(name):
        found = recipe_called(name)
        dims = found.arguments.get("spatial_dims", 3)
        network = found.arguments["network"].build(in_channels=1, out_channels=3, spatial_dims=dims)
        return parameters(network) if claim.matched == "parameters" else flops(network, (1, 1, *[96] * dims))

    (better,), (worse,) = claim.better.methods, claim.worse.methods
    assert cost(better) == pytest.approx(cost(worse), rel=0.1)


@pytest.mark.parametrize("strides", [[0, 2, 2], [2, -2, 2], [2.0, 2, 2], [[2, 0], 2, 2], [2, 2]])
def test_strides_that_are_none_are_refused(strides):
    with pytest.raises(ValueError, match="strides: expected"):
        UNet(1, 2, strides=strides)
