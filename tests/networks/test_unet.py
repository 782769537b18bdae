"""U-Net against MONAI's, and what removing its skips means."""

import pytest
import torch
from monai.networks.nets import BasicUNet

from medseg_lab.networks.measure import parameters
from medseg_lab.networks.unet import UNet


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
        order += [k for k in weights if k.startswith((f"up.{i}.", f"decoder.{i}."))]
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


def _with_encoder_features_replaced(network, image):
    """The logits before and after the finest features are replaced for all but the pooling."""
    before = network(image)
    pooled = []
    network.pool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0].clone()))
    network(image)
    network.pool.register_forward_pre_hook(lambda *_: (pooled[0],))
    network.encoder[0].register_forward_hook(lambda *_: torch.randn(1, 4, 16, 16))
    return before, network(image)


def test_skips_carry_the_encoders_features_to_the_decoder():
    before, after = _with_encoder_features_replaced(UNet(1, 2, features=(4, 8)), torch.randn(1, 1, 16, 16))
    assert (before - after).abs().max() > 0.01


def test_without_skips_only_the_bottom_reaches_the_decoder():
    before, after = _with_encoder_features_replaced(
        UNet(1, 2, features=(4, 8), skips=False), torch.randn(1, 1, 16, 16)
    )
    assert torch.equal(before, after)


def test_an_odd_image_equals_its_padded_self():
    network, image = UNet(1, 2, features=(4, 8, 8)), torch.randn(1, 1, 13, 18)
    padded = image[..., torch.arange(16).clamp(max=12), :][..., torch.arange(20).clamp(max=17)]
    assert torch.equal(network(image), network(padded)[..., :13, :18])
