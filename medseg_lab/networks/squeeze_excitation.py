"""Squeeze and excitation [29] in the U-Net [30] (section 2.1.2, figure 3): a weight for each channel."""

from dataclasses import dataclass

from torch import Tensor, nn

from medseg_lab.networks.blocks import Stage, double_conv


class ChannelWeights(nn.Module):
    """Multiplies each channel by a weight between 0 and 1, computed from the means of all channels.

    Departure from [29]: the first layer starts with weights above 0 and without bias. In a narrow network it
    has one or two units, and behind activations the means are above 0, so half of the units would otherwise
    start, and stay, at 0 for every image. The block would then scale channels by constants.

    Args:
        channels: C.
        reduction: r; the layer between has max(1, C / r) units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze, self.relu = nn.Linear(channels, hidden), nn.ReLU()
        self.excite, self.sigmoid = nn.Linear(hidden, channels), nn.Sigmoid()
        self.squeeze.weight.data.abs_()
        nn.init.zeros_(self.squeeze.bias)
        self.spread: Tensor | None = None

    def weights(self, x: Tensor) -> Tensor:
        """The weights `(N, C)` of features `(N, C, *S)`."""
        means = x.flatten(2).mean(dim=2)  # (N, C): global average pooling
        hidden = self.relu(self.squeeze(means))  # (N, C / r)
        return self.sigmoid(self.excite(hidden))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        weights = self.weights(x)
        self.spread = weights.detach().float().std(dim=0).mean() if len(x) > 1 else None
        return x * weights.view(*x.shape[:2], *[1] * (x.ndim - 2))

    def activity(self) -> dict[str, Tensor]:
        """How much a channel's weight differs between the images of the latest batch, if it had several."""
        return {} if self.spread is None else {"between_images": self.spread}


@dataclass(frozen=True)
class SqueezeExcitation:
    """The block of the U-Net with squeeze and excitation behind its two convolutions.

    In our U-Net an instance norm stands before the last activation. Behind it, each channel of each image has
    the same mean, so the means that are squeezed hardly differ, and the weights become constants. A batch
    norm, which the networks of [29] have, leaves an image its mean: `UNet(norm="batch")`.

    Args:
        reduction: r, as of `ChannelWeights`.
    """

    reduction: int = 16

    def __call__(self, stage: Stage) -> nn.Module:
        """The module of a stage."""
        return nn.Sequential(double_conv(stage), ChannelWeights(stage.out_channels, self.reduction))
