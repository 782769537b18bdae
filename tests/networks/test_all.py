"""What every network of the section keeps to, beyond what `tests/contracts` proves of every configuration."""

import pytest
import torch

from medseg_lab.networks.deeplab import DeepLab
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.fused_directions import FusedDirections
from medseg_lab.networks.nonlocal_block import NonLocal
from medseg_lab.networks.pseudo_3d import PseudoThreeD
from medseg_lab.networks.squeeze_excitation import SqueezeExcitation
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet
from medseg_lab.networks.wnet import WNet
from medseg_lab.training.device import fast_bfloat16

NETWORKS = {
    "FCN-32s": lambda c, k, d: FCN(c, k, d, stride=32, features=(4, 4, 6, 6, 6)),
    "FCN-16s": lambda c, k, d: FCN(c, k, d, stride=16, features=(4, 4, 6, 6, 6)),
    "FCN-8s": lambda c, k, d: FCN(c, k, d, stride=8, features=(4, 4, 6, 6, 6)),
    "U-Net": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8)),
    "U-Net with auxiliary heads": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), deep_supervision=True),
    "U-Net without skips": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), skips=False),
    "SE U-Net": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), block=SqueezeExcitation()),
    "Non-local U-Net": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), block=NonLocal()),
    "V-Net": lambda c, k, d: VNet(c, k, d, features=(4, 6, 8), convs=(1, 2, 3)),
    "U-Net++": lambda c, k, d: UNetPlusPlus(c, k, d, features=(4, 6, 8)),
    "P3D U-Net": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), block=PseudoThreeD()),
    "MFNet": lambda c, k, d: UNet(c, k, d, features=(4, 6, 8), block=FusedDirections()),
    "WNet": lambda c, k, d: WNet(c, k, d, features=(4, 4, 6, 6)),
    "DeepLabv3": lambda c, k, d: DeepLab(c, k, d, features=(4, 4, 6, 6, 6)),
    "DeepLabv3+": lambda c, k, d: DeepLab(c, k, d, features=(4, 4, 6, 6, 6), low_level=48),
}
every = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


@every
@pytest.mark.parametrize("shape", [(32, 64), (37, 50), (1, 9), (24, 24, 24), (17, 5, 33)])
def test_logits_have_the_images_size_whatever_it_is(build, shape):
    network = build(2, 3, len(shape))
    assert network(torch.randn(1, 2, *shape)).shape == (1, 3, *shape)


@every
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_mixed_precision_keeps_the_channels_last(build, spatial_dims):
    memory_format = [torch.channels_last, torch.channels_last_3d][spatial_dims - 2]
    network = build(1, 3, spatial_dims).to(memory_format=memory_format)
    image = torch.randn(2, 1, *[40] * spatial_dims).to(memory_format=memory_format)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(image)
    assert low.dtype == torch.bfloat16
    assert low.isfinite().all()
    assert low.shape == (2, 3, *[40] * spatial_dims)
    if fast_bfloat16("cpu"):  # else PyTorch convolves bfloat16 with kernels that take another layout
        assert low.stride(1) == 1


@every
def test_another_norm_and_no_norm_are_a_word_away(build):
    kind = type(build(1, 2, 2))
    known = {"InstanceNorm", "BatchNorm", "GroupNorm"}
    for norm, wanted in (
        ("batch", "BatchNorm"),
        ("group", "GroupNorm"),
        ("layer", "GroupNorm"),
        ("none", ""),
    ):
        names = {type(m).__name__ for m in kind(1, 2, 2, norm=norm).modules()}
        assert names & known == {wanted} - {""}
