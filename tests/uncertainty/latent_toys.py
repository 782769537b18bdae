"""Small U-Nets, batches, and Gaussians as PyTorch's distributions.

`from latent_toys import ...` in any test of this folder.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, ToGaussian

SMALL = recipe(UNet, features=(4, 6, 8))


def task(dims: int = 2, classes: int = 3) -> Task:
    return Task(1, ("background", "a", "b")[:classes], dims)


def batch(shape: Sequence[int] = (16, 12), n: int = 2, classes: int = 3, seed: int = 0) -> Batch:
    """Noise, with a label of noise."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn((n, 1, *shape), generator=generator)
    return Batch(image, torch.randint(classes, (n, *shape), generator=generator))


def other_label(seen: Batch) -> Batch:
    return seen._replace(label=(seen.label + 1) % 3)


def seeded(method: type[Learner], seed: int = 0, dims: int = 2, classes: int = 3, **arguments: Any) -> Any:
    """In evaluation mode; under one seed all methods have the same U-Net."""
    torch.manual_seed(seed)
    return method(task(dims, classes), **{"network": SMALL, **arguments}).eval()


def sampled(learner: Learner, image: Tensor, n: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    with torch.no_grad():
        return learner.sample(image, n)


def divergence(posterior: LatentGaussian, prior: LatentGaussian) -> Tensor:
    """KL of each patch, `(N,)`, as PyTorch has it."""
    q, p = (
        Independent(Normal(g.mean, g.log_std.exp()), g.mean.ndim - 1, validate_args=False)
        for g in (posterior, prior)
    )
    return kl_divergence(q, p)


def apart(learner: Learner) -> Any:
    """With posterior and prior far from each other, which they are not before training."""
    with torch.no_grad():
        for module in learner.posterior.modules():
            if isinstance(module, ToGaussian):
                module.conv.bias += torch.linspace(-1, 1, len(module.conv.bias))
    return learner


@contextmanager
def counted(module: nn.Module) -> Iterator[list[int]]:
    """The batch sizes with which a module is called inside."""
    calls: list[int] = []
    hook = module.register_forward_hook(lambda _, inputs, output: calls.append(len(output)))
    try:
        yield calls
    finally:
        hook.remove()
