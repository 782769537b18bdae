"""What the networks of section 2.1.1 share: a convolution with its norm, two of them, up-sampling, padding.

Everything takes `spatial_dims`, so that one class is the 2D and the 3D network.

Departures from the papers, the same for all our networks, so that a comparison is one of structure: the
convolutions are padded (U-Net [14] and 3D U-Net [18] crop instead), each is followed by an instance norm
(the U-Net has none, 3D U-Net and U-Net++ [28] use batch norm), and the activation is a leaky ReLU. An
instance norm does not look across the batch, so it works at batch 1, which volumes often force.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.activations import ActivationName, activation_layer
from medseg_lab.networks.convolution import Conv2d, Conv3d, ConvTranspose3d
from medseg_lab.networks.norms import NormName, needs_bias, normalisation

CONV: dict[int, Callable[..., Conv2d | Conv3d]] = {2: Conv2d, 3: Conv3d}
CONV_TRANSPOSED: dict[int, Callable[..., nn.ConvTranspose2d | ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: ConvTranspose3d,
}
MAX_POOL: dict[int, type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
DROPOUT: dict[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}


def conv(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    norm: NormName = "instance",
    activation: ActivationName = "leaky_relu",
    dilation: int | Sequence[int] = 1,
) -> nn.Sequential:
    """Convolution, norm, activation. At stride 1 an odd kernel keeps the size, whatever its dilation.

    Kernel, stride and dilation are one number for all axes, or one for each.
    """
    sizes, strides, rates = (
        (one,) * spatial_dims if isinstance(one, int) else tuple(one) for one in (kernel, stride, dilation)
    )
    layer = CONV[spatial_dims](
        in_channels,
        out_channels,
        sizes,
        stride=strides,
        padding=tuple(rate * (size - 1) // 2 for size, rate in zip(sizes, rates, strict=True)),
        dilation=rates,
        bias=needs_bias(norm),
    )
    return nn.Sequential(layer, normalisation(norm, out_channels), activation_layer(activation, out_channels))


class DoubleConv(nn.Sequential):
    """Two 3^d convolutions, each with norm and activation: the stage of U-Net, U-Net++ and our FCN."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: NormName = "instance",
        activation: ActivationName = "leaky_relu",
    ) -> None:
        super().__init__(
            conv(spatial_dims, in_channels, out_channels, norm=norm, activation=activation),
            conv(spatial_dims, out_channels, out_channels, norm=norm, activation=activation),
        )


@dataclass(frozen=True)
class Stage:
    """Where a block stands in an encoder and decoder, and what goes in and out.

    Args:
        spatial_dims: 2 or 3.
        in_channels, out_channels: the block takes `(N, in_channels, *S)` to `(N, out_channels, *S)`.
        norm: as in `norms`.
        part: of which part it is.
        level: 0 is the finest.
        levels: how many the network has; the coarsest, `levels - 1`, belongs to the encoder.
        activation: as in `activations`.
    """

    spatial_dims: int
    in_channels: int
    out_channels: int
    norm: NormName
    part: Literal["encoder", "decoder"]
    level: int
    levels: int
    activation: ActivationName = "leaky_relu"


Block = Callable[[Stage], nn.Module]
"""What a network is made of: the module of a stage. As a recipe, `UNet(block=SqueezeExcitation())`."""


def double_conv(stage: Stage) -> nn.Module:
    """The block of the U-Net."""
    return DoubleConv(stage.spatial_dims, stage.in_channels, stage.out_channels, stage.norm, stage.activation)


def up(spatial_dims: int, in_channels: int, out_channels: int, stride: int | Sequence[int] = 2) -> nn.Module:
    """Transposed convolution with kernel and stride 2^d: doubles each side, without overlap."""
    return CONV_TRANSPOSED[spatial_dims](in_channels, out_channels, stride, stride=stride)


def pad_to_multiple(image: Tensor, multiple: int | Sequence[int]) -> Tensor:
    """`(N, C, *S)` grown at the far end of each axis to the next multiple, by repeating the last voxels.

    A network that halves its input n times wants multiples of 2^n, of each axis or of one after the other.
    `crop` undoes it.
    """
    multiples = [multiple] * (image.ndim - 2) if isinstance(multiple, int) else multiple
    missing = [-size % each for size, each in zip(image.shape[2:], multiples, strict=True)]
    if not any(missing):
        return image
    return F.pad(image, [p for m in reversed(missing) for p in (0, m)], mode="replicate")


def crop(x: Tensor, shape: Sequence[int]) -> Tensor:
    """`(N, K, *S)` cut at the far end of each axis to `(N, K, *shape)`."""
    corner: Any = (..., *(slice(size) for size in shape))
    return x[corner]


def check_network(spatial_dims: int, features: Sequence[int], at_least: int = 1) -> None:
    """Raises `ValueError` unless the dimension is 2 or 3 and there are enough widths."""
    if spatial_dims not in CONV:
        raise ValueError(f"spatial_dims: expected 2 or 3, got {spatial_dims}")
    if len(features) < at_least or min(features) < 1:
        raise ValueError(f"features: expected at least {at_least} positive widths, got {tuple(features)}")
