"""Two U-Nets in a row, the second of which refines the first's answer [41] (section 2.1.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import Block
from medseg_lab.networks.norms import NormName
from medseg_lab.networks.unet import UNet


class CascadedUNet(nn.Module):
    """A coarse U-Net, and a wider one that reads the image and the coarse class probabilities.

    Both are trained at once, each against the label, and the second's loss moves the first, too. The paper
    adds the two losses; `Supervised` takes their mean, which is the same but for what AdamW and the limit of
    the gradient's norm make of a factor of 2.

    After Jiang et al., recalled rather than read: the first network has half of the second's channels. Ours:
    the U-Net of section 2.1.1 for both, where theirs has residual blocks, and a second decoder for the second
    network that is used in training alone.

    Args:
        in_channels, out_channels, spatial_dims, norm, block: as in `UNet`.
        features: channels of each level of the coarse network, finest first.
        wider: how many times as wide the fine network is.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (8, 16, 32, 64),
        wider: int = 2,
        norm: NormName = "instance",
        block: Block | None = None,
    ) -> None:
        super().__init__()
        if wider < 1:
            raise ValueError(f"wider: expected 1 or more, got {wider}")
        self.coarse = UNet(in_channels, out_channels, spatial_dims, features, norm=norm, block=block)
        wide = [wider * width for width in features]
        self.fine = UNet(in_channels + out_channels, out_channels, spatial_dims, wide, norm=norm, block=block)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of the fine network, for an image `(N, C, *S)`."""
        return self.heads(image)[-1]

    def heads(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of both networks, `(N, K, *S)` each: coarse, fine."""
        coarse: Tensor = self.coarse(image)
        fine: Tensor = self.fine(torch.cat((image, coarse.softmax(dim=1)), dim=1))
        return coarse, fine

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            f"{number}: {part.replace('oder', '')}": stage
            for number, network in ((1, self.coarse), (2, self.fine))
            for part, stage in network.stages().items()
        }
