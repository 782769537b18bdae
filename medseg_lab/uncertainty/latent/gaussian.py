"""Axis-aligned Gaussians over latent codes: what the models of this folder are made of."""

import math
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE
from medseg_lab.networks.blocks import CONV

M = TypeVar("M", bound=nn.Module)


class LatentGaussian(NamedTuple):
    """One Gaussian a patch and latent variable, all independent.

    Args:
        mean: `(N, L, *S)`; S is empty for a code that has no place in the image.
        log_std: natural logarithm of the standard deviation, the same shape.
    """

    mean: Tensor
    log_std: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """mean + std * noise: a sample, if the noise is standard normal. The gradient flows through it."""
        return self.mean + self.log_std.exp() * noise


def latent_kl(posterior: LatentGaussian, prior: LatentGaussian) -> Tensor:
    """KL(posterior || prior) of each patch, `(N,)`, in nats: the sum over its latent variables.

    For one variable, q = N(m, s^2) and p = N(n, t^2),

        KL(q || p) = log(t / s) + (s^2 + (m - n)^2) / (2 t^2) - 1/2.
    """
    log_ratio = posterior.log_std - prior.log_std  # log(s / t)
    distance = (posterior.mean - prior.mean) * torch.exp(-prior.log_std)  # (m - n) / t
    return (0.5 * (torch.expm1(2 * log_ratio) + distance**2) - log_ratio).flatten(1).sum(dim=1)


SMALL = 0.1
"""What initial weights of a Gaussian's layer are multiplied by: zero would let no gradient pass."""
REACH = 2.0
"""How far log standard deviations may go from their first value: by a factor of e^2 either way."""


class ToGaussian(nn.Module):
    """A 1x1 convolution from features to mean and standard deviation, in float32.

    Bfloat16 would keep 8 bits of each, and the divergence takes differences of them.

    Two departures keep the divergence from leaping to 100,000 nats in a step that is too long. Before
    training all Gaussians are nearly the same, N(0, initial_std^2). And no deviation gets more than e^`REACH`
    times smaller or larger than that: the divergence divides by the square of the prior's. The released codes
    have an exponential [81] and a softplus [82], and no bounds.

    Args:
        spatial_dims: 2 or 3.
        features: channels of what comes in.
        latents: L, the latent variables at each place.
        initial_std: standard deviation before training, nearly.
    """

    def __init__(self, spatial_dims: int, features: int, latents: int, initial_std: float = 1.0) -> None:
        super().__init__()
        self.latents, self.initial_log_std = latents, math.log(initial_std)
        self.conv = CONV[spatial_dims](features, 2 * latents, 1)
        with torch.no_grad():
            bias = self.conv.bias
            assert bias is not None
            self.conv.weight.mul_(SMALL)
            bias.zero_()

    def forward(self, x: Tensor) -> LatentGaussian:
        """`(N, F, *S)` to Gaussians over `(N, L, *S)`."""
        with torch.autocast(x.device.type, enabled=False):
            mean, read = self.conv(x.float()).split(self.latents, dim=1)
            return LatentGaussian(mean, self.initial_log_std + REACH * torch.tanh(read / REACH))


def with_he_weights(module: M) -> M:
    """The module, its convolutions with He's first weights: what has no norm needs them.

    Under PyTorch's own weights, what is seen fades layer by layer, where no norm brings it back.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, a=0.01)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


def warmed_up(step: int, steps: int, share: float) -> float:
    """From 0 to 1 over the first `share` of the steps, in equal steps; 1 where there is no training."""
    return min(1.0, (step + 1) / (share * steps)) if share * steps else 1.0


def with_label(image: Tensor, label: Tensor, classes: int) -> Tensor:
    """What a posterior network sees: the image `(N, C, *S)` and a channel for each class, `(N, C + K, *S)`.

    Channel C + k is 1 where the label is k, and 0 elsewhere; where the label is `IGNORE`, all are 0.
    """
    known = label != IGNORE
    one_hot = F.one_hot(label.where(known, 0), classes) * known.unsqueeze(-1)
    return torch.cat((image, one_hot.movedim(-1, 1).to(image.dtype)), dim=1)
