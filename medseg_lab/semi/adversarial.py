"""Images changed a little, so that a network errs, with labels and without them (figure 11)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.divergence import kullback_leibler

PROBE = 0.01
"""How far the first step of `virtual` goes, root mean square; the images are z-scored."""


class Adversarial(NamedTuple):
    """An image that was changed against a network, and what the network says of the unchanged one.

    Args:
        image: `(N, C, *S)`, without a gradient.
        prediction: probabilities `(N, K, *S)`, without a gradient.
    """

    image: Tensor
    prediction: Tensor


def fast_gradient_sign(network: nn.Module, image: Tensor, label: Tensor, epsilon: float) -> Adversarial:
    """x + epsilon sign(dL/dx), L the cross-entropy to the label: FGSM, for images with labels.

    Voxels that nobody annotated count for nothing. Dropout is off, so that the gradient is that of the image.

    Args:
        network: from `(N, C, *S)` to logits `(N, K, *S)`.
        image: `(N, C, *S)`.
        label: `(N, *S)`.
        epsilon: by how much a value changes, in units of the image.
    """
    change = torch.zeros_like(image, requires_grad=True)
    with dropout_off(network):
        logits = network(image + change).float()
    loss = F.cross_entropy(logits, label, ignore_index=IGNORE, reduction="sum")
    (slope,) = torch.autograd.grad(loss, change)
    return Adversarial(image + epsilon * slope.sign(), logits.detach().softmax(dim=1))


def virtual(network: nn.Module, image: Tensor, epsilon: float, iterations: int = 1) -> Adversarial:
    """x + r, with r the change that moves the prediction most: virtual adversarial training, without labels.

    The Kullback-Leibler divergence of f(x + r) from f(x) has no slope at r = 0. To second order it is
    r'Hr / 2, which is largest along H's first eigenvector. Power iteration finds it: from a random d, it goes
    to H d, which is the slope a small step away from x in the direction d.

    Departure: r is as long as a change of epsilon of each value, whatever the patch's size is, so that one
    epsilon serves with labels and without.

    Args:
        network, image: as of `fast_gradient_sign`.
        epsilon: the root mean square of r.
        iterations: of the power iteration; one is what its authors take.
    """
    with dropout_off(network):
        with torch.no_grad():
            prediction = network(image).float().softmax(dim=1)
        direction = of_length(torch.randn_like(image))
        for _ in range(iterations):
            step = (PROBE * direction).requires_grad_()
            apart = kullback_leibler(prediction, network(image + step)).sum()
            (slope,) = torch.autograd.grad(apart, step)
            direction = of_length(slope)
    return Adversarial(image + epsilon * direction, prediction)


def of_length(change: Tensor) -> Tensor:
    """The same direction with a root mean square of 1 in each patch `(C, *S)`; 0 stays 0."""
    axes = tuple(range(1, change.ndim))
    size = change.square().mean(dim=axes, keepdim=True).sqrt()
    return change / size.clamp(min=torch.finfo(change.dtype).tiny)


@contextmanager
def dropout_off(network: nn.Module) -> Iterator[None]:
    """The network as it predicts after training; then in the mode that it was in."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
