"""Convolutions whose weights are Gaussian (section 4.1.2, figure 19), and any network made of them."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from medseg_lab.networks.measure import CONVOLUTIONS

LEAST_VARIANCE = 1e-16
"""Where a map is all zero its output has no variance, and a root of 0 has no gradient."""


class BayesConv(nn.Module):
    """A convolution with independent weights w ~ N(mu, sigma^2), the posterior q(w | theta) of eq. (15).

    It wraps a plain one, transposed or not, whose weights become mu; sigma = softplus(rho). The bias stays a
    plain number. There are two ways to draw, and both give each output the same mean and variance:

    - weights, w = mu + sigma eps [84]: one draw a call, shared by all voxels and patches of the batch;
    - outputs (local reparameterisation [85]): N(conv(x, mu), conv(x^2, sigma^2)), on their own at each
      voxel. Each patch sees noise of its own, so the gradient's variance falls with the batch.

    Outputs are drawn in training and with `local` only. In evaluation mode weights are drawn, anew in each
    call: neighbouring voxels, and neighbouring patches of a batch, then belong to one and the same network.
    In [85] the layers are fully connected, and drawing outputs is exact. A convolution uses each weight at
    every voxel, so its outputs are correlated, and to draw them on their own leaves that out (as is usual).

    With sigma -> 0 this is the plain convolution, up to rounding.

    Args:
        plain: the convolution; it is kept, not copied.
        initial_std: sigma of all weights at the start.
        local: whether training draws outputs rather than weights.

    Raises:
        ValueError: unless the initial sigma is above 0.
    """

    def __init__(self, plain: Any, initial_std: float, local: bool = True) -> None:
        super().__init__()
        if not initial_std > 0:
            raise ValueError(f"initial_std: expected more than 0, got {initial_std}")
        self.plain, self.local = plain, local
        self.rho = nn.Parameter(torch.full_like(plain.weight, softplus_inverse(initial_std)))
        self.train(plain.training)

    @property
    def std(self) -> Tensor:
        """sigma of each weight, in the shape of the weights."""
        return F.softplus(self.rho)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to `(N, C', *S')`, with a draw of its own in each call."""
        if self.training and self.local:
            return self.drawn_outputs(x)
        weight = self.plain.weight
        return self._conv(x, weight + self.std * standard_normal(weight), self.plain.bias)

    def drawn_outputs(self, x: Tensor) -> Tensor:
        """Local reparameterisation: N(conv(x, mu), conv(x^2, sigma^2)) at each voxel."""
        mean: Tensor = self.plain(x)
        # A sum of squares in which nothing cancels: bfloat16 is enough for it.
        no_bias = None if self.plain.bias is None else torch.zeros_like(self.plain.bias)
        variance = self._conv(x * x, self.std.square(), no_bias)
        return torch.addcmul(mean, (variance + LEAST_VARIANCE).sqrt(), standard_normal(mean))

    def kl(self, prior_std: float) -> Tensor:
        """D_KL[q(w | theta) || N(0, prior_std^2)], in nats, summed over the weights."""
        return gaussian_kl(self.plain.weight, self.std, prior_std)

    def _conv(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The plain convolution's own call, with its guards, under other weights."""
        others = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        found: Tensor = functional_call(self.plain, others, (x,))
        return found


def standard_normal(like: Tensor) -> Tensor:
    """Independent N(0, 1) in the shape, type and memory layout of `like`.

    The same numbers whatever the layout: they are drawn in the order of the axes. (`randn_like` follows the
    layout, and with channels last takes nine times as long on a CPU.)
    """
    return torch.empty_like(like, requires_grad=False).copy_(torch.randn(like.shape, device=like.device))


def gaussian_kl(mean: Tensor, std: Tensor, prior_std: float) -> Tensor:
    """Sum of D_KL[N(mean, std^2) || N(0, prior_std^2)] over all elements, in closed form (nats)."""
    variance_share, mean_share = (std / prior_std).square(), (mean / prior_std).square()
    return 0.5 * (variance_share + mean_share - 1 - variance_share.log()).sum()


def softplus_inverse(value: float) -> float:
    """x with log(1 + exp(x)) = value."""
    return value + math.log(-math.expm1(-value))


def bayesian(network: nn.Module, initial_std: float, local: bool = True) -> nn.Module:
    """`network` with each of its convolutions wrapped in a `BayesConv`, in place; nothing is drawn.

    The weights keep their values, and norms stay as they are.

    Raises:
        ValueError: for a network without a convolution.
    """
    found = _wrapped(network, initial_std, local)
    if not bayes_convs(found):
        raise ValueError(
            f"network: expected one or more convolutions, got {type(network).__name__} without any"
        )
    return found


def bayes_convs(network: nn.Module) -> list[BayesConv]:
    """The Bayesian convolutions of a network."""
    return [module for module in network.modules() if isinstance(module, BayesConv)]


def _wrapped(module: nn.Module, initial_std: float, local: bool) -> nn.Module:
    if isinstance(module, CONVOLUTIONS):
        return BayesConv(module, initial_std, local)
    for name, child in module.named_children():
        setattr(module, name, _wrapped(child, initial_std, local))
    return module
