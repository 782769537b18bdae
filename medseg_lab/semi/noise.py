"""The noise under which a prediction is to stay what it was."""

import torch
from torch import Tensor

NOISE = 0.1
CLIP = 0.2


def noisy(image: Tensor) -> Tensor:
    """`image` with noise 0.1 N(0, 1), cut at +-0.2, from PyTorch's global generator (UA-MT [20]).

    Images are z-scored, so that 0.1 is a tenth of the spread of their intensities.
    """
    return image + (NOISE * torch.randn_like(image)).clamp_(-CLIP, CLIP)
