"""OCTA-Net [12] (section 1): a coarse map of the vessels, and a fine stage that passes it on along them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.networks.blocks import CONV, conv
from medseg_lab.networks.norms import NormName
from medseg_lab.networks.unet import UNet


class OCTANet(nn.Module):
    """A U-Net draws vessels coarsely; the fine stage lets every pixel take its answer from its neighbours.

    The fine stage reads the image and the coarse probabilities. For each pixel it predicts k x k weights that
    are positive and sum to 1, and the fine probabilities are the mean of the neighbours' coarse ones by these
    weights (`propagated`). So a gap in a thin vessel can be closed from both of its ends.

    After Ma et al., recalled rather than read. Theirs: the coarse stage has split-attention blocks, and draws
    vessels and their centre lines by two decoders, because their data has labels of both; the fine stage
    propagates both maps. Ours: a plain U-Net and one map, since other data has no centre lines; and K classes
    in 2D or 3D. Both stages are trained at once, each against the label.

    Args:
        in_channels, out_channels, spatial_dims, norm: as in `UNet`.
        features: channels of each level of the coarse stage, finest first.
        fine: channels of the fine stage.
        reach: k, the edge of the neighbourhood in pixels, an odd number.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (16, 32, 64, 128),
        fine: int = 16,
        reach: int = 3,
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        if reach < 3 or reach % 2 == 0:
            raise ValueError(f"reach: expected an odd number of 3 or more, got {reach}")
        self.coarse = UNet(in_channels, out_channels, spatial_dims, features, norm=norm)
        self.weights = nn.Sequential(
            conv(spatial_dims, in_channels + out_channels, fine, norm=norm),
            conv(spatial_dims, fine, fine, norm=norm),
            CONV[spatial_dims](fine, reach**spatial_dims, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, *S)` of the fine stage: the logarithm of its probabilities."""
        return self.heads(image)[-1]

    def heads(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of both stages, `(N, K, *S)` each: coarse, fine."""
        coarse: Tensor = self.coarse(image)
        likely = coarse.float().softmax(dim=1)
        weights = self.weights(torch.cat((image, likely), dim=1)).float().softmax(dim=1)  # (N, k^d, *S)
        return coarse, propagated(likely, weights).clamp_min(1e-6).log()

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        first, second, weights = self.weights
        return {**self.coarse.stages(), "fine 1": first, "fine 2": second, "weights": weights}


def propagated(maps: Tensor, weights: Tensor) -> Tensor:
    """The mean of each pixel's neighbourhood, by weights of its own: `(N, K, *S)` to the same shape.

    Beyond the border, the last pixels are repeated.

    Args:
        maps: `(N, K, *S)`.
        weights: `(N, k^d, *S)`: of the neighbours in the order of their offsets, the last axis running
            fastest: (-1, -1), (-1, 0), ..., (1, 1) for k = 3 in 2D. They sum to 1 over k^d.
    """
    shape = maps.shape[2:]
    edge = round(weights.shape[1] ** (1 / len(shape)))
    around = F.pad(maps, [edge // 2] * 2 * len(shape), mode="replicate")
    found = torch.zeros_like(maps)
    for number, corner in enumerate(product(range(edge), repeat=len(shape))):
        place: Any = (..., *(slice(start, start + size) for start, size in zip(corner, shape, strict=True)))
        found = found + weights[:, number : number + 1] * around[place]
    return found
