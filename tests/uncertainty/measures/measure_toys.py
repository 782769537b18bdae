"""Random samples, readings and probabilities that the tests of the measures share."""

import torch
from torch import Tensor


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(n: int, shape: tuple[int, ...], n_classes: int, seed: int = 0) -> Tensor:
    """`(n, *S)`, uint8: blocks of classes, so that the masks overlap without being alike."""
    drawn = torch.rand(n, *shape, generator=source(seed)) + torch.rand(shape, generator=source(seed + 100))
    return (drawn / 2 * n_classes).to(torch.uint8)


def probabilities(shape: tuple[int, ...], seed: int = 0, sharpness: float = 2.0, axis: int = 0) -> Tensor:
    """Softmax of noise along one axis."""
    return (sharpness * torch.randn(shape, generator=source(seed))).softmax(dim=axis)
