"""The U-Nets that latent-variable models take apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE
from medseg_lab.networks.unet import UNet


def checked_unet(network: nn.Module) -> UNet:
    """The same.

    Raises:
        ValueError: for a network that is not a U-Net: its encoder and decoder are called one by one.
    """
    if not isinstance(network, UNet):
        raise ValueError(f"network: got {type(network).__name__}, wanted UNet, which is taken apart here")
    return network


def widths(unet: UNet) -> list[int]:
    """The channels of each level, finest first."""
    return [unet.head.in_channels, *(layer.get_parameter("weight").shape[0] for layer in unet.up)]


def without_head(unet: UNet) -> UNet:
    """Without the layer that gives logits: what stays unused would have no gradient, and be counted."""
    unet.register_module("head", nn.Identity())
    return unet


def encoder_of(unet: UNet) -> UNet:
    """Without its decoder, too: it can `encode`, and nothing else."""
    unet.up = unet.decoder = nn.ModuleList()
    return without_head(unet)


def with_label(image: Tensor, label: Tensor, classes: int) -> Tensor:
    """The image `(N, C, *S)` and a channel for each class, `(N, C + K, *S)`.

    Channel C + k is 1 where the label is k, and 0 elsewhere; where the label is `IGNORE`, all are 0.
    """
    known = label != IGNORE
    one_hot = F.one_hot(label.where(known, 0), classes) * known.unsqueeze(-1)
    return torch.cat((image, one_hot.movedim(-1, 1).to(image.dtype)), dim=1)
