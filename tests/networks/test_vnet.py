"""V-Net against MONAI's, with the differences between the two stated as arithmetic."""

import pytest
import torch
from monai.networks.nets import VNet as MonaiVNet
from monai.networks.nets.vnet import _make_nconv
from torch import nn

from medseg_lab.networks.measure import flops, parameters
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.vnet import PAPER, Residual, VNet

WIDTHS, CONVS = PAPER["features"], PAPER["convs"]


def _monai_with_the_papers_convolutions(classes):
    """MONAI's VNet in 2D, without dropout (eval), with the paper's stages and a 1x1 convolution as head."""
    twin = MonaiVNet(2, 1, classes, act="prelu", dropout_prob_down=None, dropout_prob_up=(None, 0.0))
    twin.down_tr64.ops = _make_nconv(2, 64, 3, "prelu")
    twin.down_tr32.ops = _make_nconv(2, 32, 2, "prelu")
    twin.down_tr256.ops = _make_nconv(2, 256, 3, "prelu")
    twin.up_tr256.ops = _make_nconv(2, 256, 3, "prelu")
    twin.up_tr128.ops = _make_nconv(2, 128, 3, "prelu")
    twin.up_tr64.ops = _make_nconv(2, 64, 2, "prelu")
    twin.out_tr = nn.Conv2d(32, classes, 1)
    return twin.eval()


def _copy(ours, theirs):
    """Copies parameters and statistics by order of definition, which must agree in shape."""
    for mine, other in zip(ours, theirs, strict=True):
        other.load_state_dict(dict(zip(other.state_dict(), mine.state_dict().values(), strict=True)))


def _residual(stage, convs, last):
    """Pairs one of our stages with MONAI's: (convolution, norm, PReLU) in turn, then the last PReLU."""
    _copy([part for block in stage.convs for part in block], [*convs])
    _copy([stage.activation], [last])


def test_equals_monais_at_the_papers_width_with_the_same_weights():
    torch.manual_seed(0)
    ours, twin = VNet(1, 3, 2, **PAPER, norm="batch").eval(), _monai_with_the_papers_convolutions(3)
    for module in ours.modules():  # statistics and slopes that are not the defaults
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.weight, 0.8, 1.2)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.4)

    def layers(ops):
        return [part for op in ops for part in (op.conv_block.conv, op.conv_block.adn.N, op.act_function)]

    downs = [twin.down_tr32, twin.down_tr64, twin.down_tr128, twin.down_tr256]
    ups = [twin.up_tr32, twin.up_tr64, twin.up_tr128, twin.up_tr256]
    first = ours.encoder[0]
    _copy(first.convs[0][:2], [twin.in_tr.conv_block.conv, twin.in_tr.conv_block.adn.N])
    nn.init.ones_(first.convs[0][2].weight)  # MONAI's first stage has no activation before the addition
    _copy([first.activation], [twin.in_tr.act_function])
    for down, stage, other in zip(ours.down, ours.encoder[1:], downs, strict=True):
        _copy(down, [other.down_conv, other.bn1, other.act_function1])
        _residual(stage, layers(other.ops), other.act_function2)
    for up, stage, other in zip(ours.up, ours.decoder, ups, strict=True):
        nn.init.zeros_(other.up_conv.bias)  # ours has none: the norm would subtract it
        other.up_conv.weight.data.copy_(up[0].weight)
        _copy(up[1:], [other.bn1, other.act_function1])
        _residual(stage, layers(other.ops), other.act_function2)
    _copy([ours.head], [twin.out_tr])

    image = torch.randn(1, 1, 48, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), twin(image), atol=1e-5, rtol=1e-4)


def test_monais_count_is_ours_less_the_convolutions_that_it_leaves_out():
    monai = sum(p.numel() for p in MonaiVNet(3, 1, 2, act="prelu").parameters())
    ours = parameters(VNet(1, 2, 3, **PAPER, norm="batch"))
    assert round(monai / 1e6, 1) == 45.6
    # The paper has 2, 3, 3 convolutions where MONAI has 1, 2, 2 (encoder, 32, 64, 256 channels), and 3, 3, 2
    # where MONAI has 2, 2, 1 (decoder, 256, 128, 64). Each: 5^3 weights a pair of channels, norm, PReLU.
    left_out = sum(125 * c * c + 2 * c + c for c in (32, 64, 256, 256, 128, 64))
    first_activation = 16  # ours has a PReLU before the first addition
    up_biases = 128 + 64 + 32 + 16  # MONAI's transposed convolutions have a bias
    monais_head = (125 * 32 * 2 + 2 * 2 + 2) + (2 * 2 + 2)  # 5^3 convolution, norm, PReLU, 1^3 convolution
    assert ours == monai + left_out + first_activation - up_biases - monais_head + (32 * 2 + 2)


def test_the_slim_default_has_as_many_flops_as_the_3d_u_net():
    shape = (1, 1, 48, 48, 48)
    assert flops(VNet(1, 3, 3), shape) == pytest.approx(flops(UNet(1, 3, 3), shape), rel=0.03)


def test_a_stage_with_silent_convolutions_is_its_shortcut():
    stage = Residual(2, 3, 8, convs=2, kernel=3, norm="none")
    for parameter in stage.convs.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(stage.activation.weight)  # a PReLU of slope 1 is the identity
    x = torch.randn(1, 3, 5, 5)
    expected = x[:, [0, 1, 2, 0, 1, 2, 0, 1]]  # three channels repeated until there are eight
    assert torch.equal(stage(x), expected)


def test_nothing_is_dropped_in_training():
    assert not any(isinstance(m, nn.modules.dropout._DropoutNd) for m in VNet(1, 2).modules())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"convs": (1, 2)}, r"convs: expected one number for each of \(12, 24, 48, 96\), got \(1, 2\)"),
        ({"kernel": 4}, "kernel: expected an odd size, got 4"),
        ({"features": (8,), "convs": (1,)}, "features: expected at least 2 positive widths"),
        ({"in_channels": 13}, "in_channels: expected at most 12, the first width, got 13"),
    ],
)
def test_impossible_arguments_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        VNet(**{"in_channels": 1, "out_channels": 2} | wrong)
