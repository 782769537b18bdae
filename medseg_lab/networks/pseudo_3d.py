"""Pseudo-3D convolution [40] (section 2.1.3)."""

from dataclasses import dataclass

from torch import nn

from medseg_lab.networks.activations import ActivationName
from medseg_lab.networks.blocks import Stage, conv
from medseg_lab.networks.norms import NormName


def plane_and_line(
    spatial_dims: int, axis: int, across: int = 3, along: int = 3
) -> tuple[tuple[int, ...], ...]:
    """Sizes for the plane across an axis and for the line along it: `(3, 3, 1)` and `(1, 1, 3)` of the last.

    An image `(N, C, X, Y, Z)` has its slices along Z, axis 2 or -1. A 2D image has lines for planes.

    Args:
        across, along: the size in the plane, and along the axis.

    Raises:
        ValueError: if the image has no such axis.
    """
    if not -spatial_dims <= axis < spatial_dims:
        raise ValueError(
            f"axis: expected {-spatial_dims} to {spatial_dims - 1} in {spatial_dims}D, got {axis}"
        )
    here = axis % spatial_dims
    plane = tuple(1 if a == here else across for a in range(spatial_dims))
    line = tuple(along if a == here else 1 for a in range(spatial_dims))
    return plane, line


class PseudoConv(nn.Sequential):
    """A 3x3 convolution in the plane, then one of 3 along the axis, each with norm and activation."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: NormName,
        axis: int = -1,
        activation: ActivationName = "leaky_relu",
    ) -> None:
        plane, line = plane_and_line(spatial_dims, axis)
        super().__init__(
            conv(spatial_dims, in_channels, out_channels, plane, norm=norm, activation=activation),
            conv(spatial_dims, out_channels, out_channels, line, norm=norm, activation=activation),
        )


@dataclass(frozen=True)
class PseudoThreeD:
    """Block of a U-Net: each 3x3x3 convolution becomes 3x3 in the plane of a slice and 3 across the slices.

    Of C channels to C, that is 9 + 3 = 12 weights for 27, with the same receptive field. It is variant A of
    the paper, one after the other, with norm and activation between the two. Departures: the paper's blocks
    are residual bottlenecks that read videos, where the third axis is time. In 2D the same rule splits 3x3
    into 3x1 and 1x3.

    Args:
        axis: across the slices, the last by default.
    """

    axis: int = -1

    def __call__(self, stage: Stage) -> nn.Module:
        """The two pseudo-3D convolutions of a stage."""
        dims, out, norm = stage.spatial_dims, stage.out_channels, stage.norm
        return nn.Sequential(
            PseudoConv(dims, stage.in_channels, out, norm, self.axis, stage.activation),
            PseudoConv(dims, out, out, norm, self.axis, stage.activation),
        )
