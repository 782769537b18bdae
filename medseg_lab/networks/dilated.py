"""Dilated convolution in the encoder of a U-Net [35, 37, 38] (section 2.1.3, figure 5)."""

from dataclasses import dataclass

from torch import nn

from medseg_lab.networks.blocks import Stage, conv, double_conv


@dataclass(frozen=True)
class Dilated:
    """The block of the U-Net with dilated convolutions in the encoder: same weights, a larger field.

    A convolution of rate r reads voxels that are r apart: along an axis, 3 of 2r + 1. What lies between has
    to be read by the convolution before it, or it is never seen, which is called gridding: with the rates 2
    and 2 a stage reads every second voxel. With 1 and 2 it reads 7 voxels in a row, with 1 and 3 it reads 9,
    each once, the most without holes; two plain convolutions read 5.

    Departures from [37], which down-samples less and has rates of up to 3: here the number of levels stays
    that of the U-Net, and the rates are the same at all of them, so that dilation is all that differs. Rate 2
    is the default because the coarsest map of a small patch has four voxels a side, where most of a kernel
    of rate 3 would lie outside.

    Args:
        rates: of the two convolutions of each encoder stage. The decoder's are not dilated.

    Raises:
        ValueError: unless there are two positive rates.
    """

    rates: tuple[int, int] = (1, 2)

    def __post_init__(self) -> None:
        if len(self.rates) != 2 or min(self.rates) < 1:
            raise ValueError(f"rates: expected two positive numbers, got {self.rates}")

    def __call__(self, stage: Stage) -> nn.Module:
        """The module of one stage."""
        if stage.part == "decoder":
            return double_conv(stage)
        return nn.Sequential(
            *(
                conv(
                    stage.spatial_dims,
                    channels,
                    stage.out_channels,
                    norm=stage.norm,
                    activation=stage.activation,
                    dilation=rate,
                )
                for channels, rate in zip((stage.in_channels, stage.out_channels), self.rates, strict=True)
            )
        )
