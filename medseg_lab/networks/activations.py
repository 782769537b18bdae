"""Activations: ReLU, LeakyReLU [51] and PReLU [52] (section 2.3.2), and what became of them in a training."""

from typing import Literal

from torch import Tensor, nn

ActivationName = Literal["leaky_relu", "relu", "prelu"]
LEAK = 0.01
"""The slope below zero of a LeakyReLU."""
FIRST_SLOPE = 0.25
"""The slope with which each channel of a PReLU starts [52]."""


class ReLU(nn.ReLU):
    """Values below zero become zero. It counts the units (channels) that were zero everywhere in a batch.

    Such a unit passes no gradient, so the weights before it stay as they are: if no other batch brings it
    back, it is dead for the rest of the training.
    """

    def __init__(self) -> None:
        super().__init__(inplace=True)
        self.dead: Tensor | None = None

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        active = super().forward(input)
        if self.training:
            highest = active.detach().amax(dim=(0, *range(2, active.ndim)))  # (C,)
            self.dead = (highest <= 0).float().mean()
        return active

    def activity(self) -> dict[str, Tensor]:
        """The share of units that were zero everywhere in the latest batch of the training."""
        return {} if self.dead is None else {"dead": self.dead}


class PReLU(nn.PReLU):
    """Values below zero are multiplied by a slope that is learned, one for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, init=FIRST_SLOPE)

    def activity(self) -> dict[str, Tensor]:
        """How far the slopes are from their first value, on average."""
        return {"slope_change": (self.weight.detach() - FIRST_SLOPE).abs().mean()}


def activation_layer(activation: ActivationName, channels: int) -> nn.Module:
    """The layer called `activation`; `channels` is there for the one that has a slope each.

    Raises:
        ValueError: naming the known activations.
    """
    if activation == "leaky_relu":
        return nn.LeakyReLU(LEAK, inplace=True)
    if activation == "relu":
        return ReLU()
    if activation == "prelu":
        return PReLU(channels)
    raise ValueError(f"activation: expected 'leaky_relu', 'relu' or 'prelu', got {activation!r}")
