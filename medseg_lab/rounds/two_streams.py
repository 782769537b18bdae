"""Two networks that show each other where to look, and a loss that counts less where they disagree [62]."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import CONV
from medseg_lab.networks.encoder_decoder import encoder_decoder


class TwoStreams(nn.Module):
    """Two networks side by side; the features of each are multiplied by what the other makes of the image.

    On each level of the encoders, the features x of one stream become x a, with a map a between 0 and 2 that
    a 1x1 convolution reads from the other stream's features on that level. It starts as 1 everywhere: then
    both are as they were alone. The gradient of a stream moves its own weights and the convolutions that it
    is attended by, never the other stream.

    Args:
        first, second: of one architecture, each an `EncoderDecoder`.
        spatial_dims: 2 or 3.
        attention: False for a = 1.

    Raises:
        ValueError: for a network whose encoder and decoder cannot be called one by one.
    """

    streams: Any
    attend: Any

    def __init__(
        self, first: nn.Module, second: nn.Module, spatial_dims: int, attention: bool = True
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleList([encoder_decoder(first), encoder_decoder(second)])
        widths = self.streams[0].widths if attention else ()
        self.attend = nn.ModuleList(
            nn.ModuleList(CONV[spatial_dims](width, 1, 1) for width in widths) for _ in range(2)
        )
        for layer in (layer for of_stream in self.attend for layer in of_stream):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.spread = torch.zeros(())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits `(N, K, *S)` of both streams for an image `(N, C, *S)`."""
        first, second = (stream.encode(image) for stream in self.streams)
        if len(self.attend[0]):
            maps = [self.maps(0, second), self.maps(1, first)]
            self.spread = torch.stack([a.detach().float().std() for of in maps for a in of]).mean()
            first, second = (
                [x * a for x, a in zip(encoded, of, strict=True)]
                for encoded, of in zip((first, second), maps, strict=True)
            )
        one, other = self.streams
        return one.scores(first, image.shape[2:]), other.scores(second, image.shape[2:])

    def maps(self, stream: int, other: Sequence[Tensor]) -> list[Tensor]:
        """What a stream's features are multiplied by on each level, `(N, 1, *S_i)`, read from the other's."""
        read = zip(self.attend[stream], other, strict=True)
        return [2 * layer(features.detach()).sigmoid() for layer, features in read]

    def activity(self) -> dict[str, Tensor]:
        """How much the maps of the latest pass vary, as a standard deviation: 0 where all are 1."""
        return {"attention": self.spread}


def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """How far two predictions are apart: the total variation, half of sum_k |p_k - q_k|, from 0 to 1.

    Args:
        first, second: logits `(N, K, *S)`.

    Returns:
        `(N, *S)`, float32, without gradient.
    """
    with torch.no_grad():
        p, q = first.float().softmax(dim=1), second.float().softmax(dim=1)
        return (p - q).abs().sum(dim=1) / 2


def damp_gradient(logits: Tensor, share: Tensor) -> Tensor:
    """The same logits `(N, K, *S)`, whose gradient counts by this share `(N, *S)` at each voxel.

    So any loss is damped, the Dice too, which is no sum over voxels.
    """
    share = share.unsqueeze(1).to(logits.dtype)
    return share * logits + (1 - share) * logits.detach()
