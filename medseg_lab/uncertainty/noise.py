"""Learned noise on the logits [78] (section 4.2)."""

from math import log
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from medseg_lab.data.batch import Batch
from medseg_lab.losses.checks import at_least_float32, check_shapes, known
from medseg_lab.losses.cross_entropy import mean_of_known
from medseg_lab.uncertainty.sampled import Sampled

SIGMAS = (1e-3, 20.0)
"""The noise stays between these: a little more than none, and enough for any probability."""


class LogitNoise(Sampled):
    """Logits are Gaussian, z = mean + sigma noise, and p(y | x) is the mean of softmax(z) over the noise.

    Attributes:
        draws: of noise in a prediction; they need no further pass of the network.

    Args:
        sigma: the noise before training. With little, training starts like that of the plain network; but the
            slope of the loss in sigma is nearly proportional to sigma, so that too little hardly ever grows.
        loss_draws: T, how many draws of noise the loss averages.
    """

    sigma: Annotated[float, Field(ge=SIGMAS[0], le=SIGMAS[1])] = 1.0
    loss_draws: Annotated[int, Field(ge=1)] = 10

    draws = 32

    def build(self) -> None:
        """The network; its loss must be the cross-entropy, whose mean over the noise is taken."""
        super().build()
        self.needs_cross_entropy()

    @property
    def initial(self) -> float:
        """The log-variance of the logits before training."""
        return 2 * log(self.sigma)

    def moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the logits, each `(N, K, *S)`."""
        raise NotImplementedError

    def gaussian(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and sigma of the logits, each `(N, K, *S)`, in float32 at least."""
        mean, log_variance = map(at_least_float32, self.moments(image))
        with torch.autocast(mean.device.type, enabled=False):
            return mean, (log_variance / 2).clamp(log(SIGMAS[0]), log(SIGMAS[1])).exp()

    def noise_std(self, image: Tensor) -> Tensor:
        """sigma of each voxel and class, `(N, K, *S)`, in units of the logits."""
        return self.gaussian(image)[1]

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One term, the cross-entropy of the mean over the noise."""
        mean, sigma = self.gaussian(batch.image)
        return {"cross_entropy": noisy_cross_entropy(mean, sigma, batch.label, self.loss_draws)}

    def sample(self, image: Tensor, n: int) -> Tensor:
        """One pass of the network, then `n` draws of noise: `(n, N, K, *S)`."""
        mean, sigma = self.gaussian(image)
        return torch.stack([noisy_probabilities(mean, sigma) for _ in range(n)])

    def predict(self, image: Tensor) -> Tensor:
        """The mean of `draws` samples, `(N, K, *S)`, added up as they are drawn."""
        mean, sigma = self.gaussian(image)
        total = torch.zeros_like(mean)
        for _ in range(self.draws):
            total += noisy_probabilities(mean, sigma)
        return total / self.draws


class HeteroscedasticNoise(LogitNoise):
    """The network predicts how noisy each voxel and class is: twice as many maps, mean and log-variance.

    Sigma is the network's own estimate of where labels are uncertain. Each voxel has one label, which tells
    no more than p(y | x), and a wider noise about a higher mean gives the same p. So where sigma is high
    means something, how high does not: it depends on its value before training. Noise is independent between
    voxels: a sample is speckled, and no reader's outline.
    """

    def new_network(self, in_channels: int | None = None, out_channels: int | None = None) -> nn.Module:
        """With a map of means and one of log-variances for each class."""
        return super().new_network(in_channels, 2 * len(self.task.classes))

    def moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The first K maps, and what the others add to the initial log-variance."""
        mean, change = self.network(image).chunk(2, dim=1)
        return mean, self.initial + at_least_float32(change)


class HomoscedasticNoise(LogitNoise):
    """One sigma for each class, learned, the same everywhere: our control, not a paper's method.

    Kendall and Gal's homoscedastic noise is a quantity of regression: the variance of the measurements, and,
    in their later work, what weighs the losses of several tasks against each other. In classification the
    network can undo it by larger logits, so it tells nothing, of one image or of the task. The survey names
    both kinds side by side, so it stands here as the control of `HeteroscedasticNoise`: the same loss,
    without a map.
    """

    def build(self) -> None:
        """The network, and a log-variance for each class."""
        super().build()
        self.log_variance = nn.Parameter(torch.full((len(self.task.classes),), self.initial))

    def moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The network's logits, and the same log-variance everywhere."""
        mean: Tensor = self.network(image)
        return mean, self.log_variance.view(-1, *[1] * (mean.ndim - 2)).expand_as(mean)


def noisy_probabilities(mean: Tensor, sigma: Tensor) -> Tensor:
    """Probabilities `(N, K, *S)` under one draw of noise, the same for all N patches."""
    noise = torch.randn((1, *mean.shape[1:]), device=mean.device, dtype=mean.dtype)
    return (mean + sigma * noise).softmax(dim=1)


def noisy_cross_entropy(mean: Tensor, sigma: Tensor, label: Tensor, draws: int) -> Tensor:
    """Cross-entropy of the mean of softmax(mean + sigma noise), estimated by T draws.

        L = -( logsumexp_t log p_t - log T ),  p_t the probability of the true class under draw t

    averaged over the known voxels. Not the mean of the cross-entropies -log p_t, which is larger (Jensen)
    and would punish noise wherever it is. The logarithm of a mean of few draws is a little low: L is the
    likelihood's bound for T draws, and nears it as T grows.

    Args:
        mean, sigma: of the logits, `(N, K, *S)`.
        label: `(N, *S)`, values 0 to K-1 or `IGNORE`.
        draws: T. Noise is drawn for each patch of its own.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    check_shapes(mean, label)
    with torch.autocast(mean.device.type, enabled=False):
        is_known = known(label)
        true = (label * is_known).unsqueeze(1)  # (N, 1, *S)
        # With channels last, random numbers take seven times as long on a CPU.
        mean, sigma = (at_least_float32(each).contiguous() for each in (mean, sigma))
        # Drawn again in the backward pass: so what is kept of a draw is one number a voxel, not 2 K.
        each = [checkpoint(_log_likelihood, mean, sigma, true, use_reentrant=False) for _ in range(draws)]
        log_p = torch.stack(each).logsumexp(dim=0) - log(draws)  # (N, *S)
        return -mean_of_known(log_p, is_known)


def _log_likelihood(mean: Tensor, sigma: Tensor, true: Tensor) -> Tensor:
    """log p of the true class under one draw, `(N, *S)`."""
    logits = mean + sigma * torch.randn_like(mean)
    return logits.log_softmax(dim=1).gather(1, true).squeeze(1)
