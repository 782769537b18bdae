"""Segmentations as a discriminator is shown them: masks beside their images."""

import torch
from torch import Tensor
from torch.nn import functional as F


def beside(image: Tensor, mask: Tensor) -> Tensor:
    """Images `(N, C, *S)` and their masks `(N, K, *S)`, side by side: `(N, C + K, *S)`."""
    return torch.cat([image, mask], dim=1)


def one_hot(label: Tensor, classes: int) -> Tensor:
    """Labels `(N, *S)` as masks `(N, K, *S)`, float32; what nobody annotated is in no class."""
    return torch.stack([label == k for k in range(classes)], dim=1).float()


def as_mask(probabilities: Tensor) -> Tensor:
    """The most probable classes as masks `(N, K, *S)` of 0 and 1, with the gradient of the probabilities.

    A true mask has no other values, so probabilities would give a prediction away.
    """
    mask = F.one_hot(probabilities.argmax(dim=1), probabilities.shape[1]).movedim(-1, 1)
    return mask + (probabilities - probabilities.detach())
