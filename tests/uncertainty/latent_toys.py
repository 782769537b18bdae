"""Gaussians as PyTorch's distributions, and latent models whose posterior is not the prior."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from toys import task

from medseg_lab.data.batch import Batch
from medseg_lab.networks.unet import UNet
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, ToGaussian

THREE_LEVELS = recipe(UNet, features=(4, 6, 8))


def seeded(method: type[Learner], dims: int = 2, classes: int = 3, **arguments: Any) -> Any:
    """In evaluation mode; all methods have the same U-Net."""
    torch.manual_seed(0)
    return method(task(dims, classes), **{"network": THREE_LEVELS, **arguments}).eval()


def other_label(seen: Batch) -> Batch:
    return seen._replace(label=(seen.label + 1) % 3)


def divergence(posterior: LatentGaussian, prior: LatentGaussian) -> Tensor:
    """KL of each patch, `(N,)`, as PyTorch has it."""
    q, p = (
        Independent(Normal(g.mean, g.log_std.exp()), g.mean.ndim - 1, validate_args=False)
        for g in (posterior, prior)
    )
    return kl_divergence(q, p)


def apart(learner: Any) -> Any:
    """With posterior and prior far from each other, which they are not before training."""
    with torch.no_grad():
        for module in learner.posterior.modules():
            if isinstance(module, ToGaussian):
                module.conv.bias += torch.linspace(-1, 1, len(module.conv.bias))
    return learner
