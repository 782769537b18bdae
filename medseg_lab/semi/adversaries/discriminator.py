"""The discriminator of an adversarial game: one answer an image, and what it has been told."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from medseg_lab.networks.blocks import CONV, conv


class Discriminator(nn.Module):
    """Real or not, of each image: `(N, C, *S)` to logits `(N,)`; above 0 it says real.

    Convolutions that halve the image, without norms, since an instance norm takes away how bright an image
    or how large a mask is; then the mean over the places that are left.

    Args:
        spatial_dims: 2 or 3.
        channels: C: of what is judged, and of what it is judged with, side by side.
        width: channels after the first convolution, doubled by each further one.
        levels: how often the image is halved.
    """

    def __init__(self, spatial_dims: int, channels: int, width: int = 16, levels: int = 4) -> None:
        super().__init__()
        widths = [channels, *(width * 2**level for level in range(levels))]
        self.features = nn.Sequential(
            *(conv(spatial_dims, here, below, stride=2, norm="none") for here, below in pairwise(widths))
        )
        self.answer = CONV[spatial_dims](widths[-1], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N,)`."""
        found: Tensor = self.answer(self.features(image)).float()
        return found.flatten(1).mean(dim=1)


def fixed(module: nn.Module, *inputs: Tensor) -> Any:
    """What a module says now: gradients pass through it to its inputs, none to its parameters."""
    constants = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return functional_call(module, constants, inputs)


def told_apart(real: Tensor, other: Tensor) -> Tensor:
    """What the discriminator minimises: -log D(real) - log(1 - D(other)), each a mean, halved.

    Args:
        real, other: its logits, of any shape.
    """
    return (taken_for(real, True) + taken_for(other, False)) / 2


def taken_for(logits: Tensor, real: bool) -> Tensor:
    """-log D for what should be taken for real, -log(1 - D) else: the mean over the logits.

    What a generator minimises is `taken_for(logits, True)`: the form of Goodfellow et al. [70] whose gradient
    does not vanish where the discriminator is sure.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def accuracy(real: Tensor, other: Tensor) -> Tensor:
    """The share of the answers that are right, of both kinds alike: 0 to 1; a coin has 0.5."""
    return ((real > 0).float().mean() + (other <= 0).float().mean()) / 2


def standing(real: Tensor, other: Tensor) -> dict[str, Tensor]:
    """How the game stands, to be noted: `self.note(**standing(real, other))`, without gradients.

    `discriminator_accuracy`; and what each side would make small, unweighted: `told_apart`, of the
    discriminator, and `taken_for_real`, of what it plays against. Where it sees no difference and answers
    1/2, both are log 2.

    Args:
        real, other: the discriminator's logits, of any shape.
    """
    real, other = real.detach(), other.detach()
    return {
        "discriminator_accuracy": accuracy(real, other),
        "told_apart": told_apart(real, other),
        "taken_for_real": taken_for(other, True),
    }
