"""The non-local block [31], for a U-Net as a non-local context encoder [32] (section 2.1.2, figure 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import CONV, MAX_POOL, Stage, double_conv, pad_to_multiple
from medseg_lab.networks.unet import UNet


class Attention(nn.Module):
    """Adds to each pixel's features a mean over all pixels, weighted by how similar their features are.

    The last convolution starts at 0, so the module starts as the identity. Until it has moved, the others get
    no gradient: that is one step. With `pooled`, the keys and values are pooled by 2 along each axis, so that
    a map of weights has a quarter (in 3D an eighth) of its columns. Both are tricks of [31].

    Departures from [31]: there is no batch norm behind the last convolution. And theta's linear transform has
    a factor of 1 / sqrt(C / 2), as in transformers (Vaswani et al. 2017, arXiv:1706.03762). Without it, each
    pixel soon gives all its weight to one key (U-Net on msd-hippocampus, 300 steps), and a softmax that is so
    sure lets hardly any gradient through.

    Args:
        spatial_dims: 2 or 3.
        channels: C; theta, phi and g have half as many, and at least one.
        pooled: whether the keys are pooled.
    """

    def __init__(self, spatial_dims: int, channels: int, pooled: bool = True) -> None:
        super().__init__()
        conv, inner = CONV[spatial_dims], max(1, channels // 2)
        self.theta, self.phi, self.g = (conv(channels, inner, 1) for _ in range(3))
        self.pool = MAX_POOL[spatial_dims](2, ceil_mode=True) if pooled else nn.Identity()
        self.out = conv(inner, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        self.share = torch.zeros(())

    def weights(self, x: Tensor) -> Tensor:
        """How much each of L pixels attends to each of M keys, `(N, L, M)`; sums to 1 over M."""
        queries = self.theta(x).flatten(2) / self.theta.out_channels**0.5  # (N, C / 2, L)
        keys = self.pool(self.phi(x)).flatten(2)  # (N, C / 2, M)
        return (queries.transpose(1, 2) @ keys).softmax(dim=2)  # eqs. (1) and (2)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, *S)` to the same shape."""
        values = self.pool(self.g(x)).flatten(2)  # (N, C / 2, M)
        means = values @ self.weights(x).transpose(1, 2)  # (N, C / 2, L), eq. (3)
        added = self.out(means.unflatten(2, x.shape[2:]))
        self.share = _variation(added) / _variation(x).clamp_min(1e-12)
        return x + added

    def activity(self) -> dict[str, Tensor]:
        """How much what was added in the latest pass varies over an image, as a share of the features.

        If all pixels attend alike, a constant is added, which a norm behind it takes away.
        """
        return {"added": self.share}


def _variation(x: Tensor) -> Tensor:
    """The standard deviation of `(N, C, *S)` over space, of all channels and images together."""
    voxels = x.detach().float().flatten(2)
    return (voxels - voxels.mean(dim=2, keepdim=True)).square().mean().sqrt()


@dataclass(frozen=True)
class NonLocal:
    """The block of the U-Net, with attention behind the convolutions of the encoder's coarsest levels.

    There a map is small. On finer levels the weights would not fit: they grow with the square of the pixels.

    Args:
        levels: on how many levels, from the coarsest.
        pooled: as of `Attention`.
    """

    levels: int = 2
    pooled: bool = True

    def __call__(self, stage: Stage) -> nn.Module:
        """The module of a stage."""
        block = double_conv(stage)
        if stage.part == "decoder" or stage.level < stage.levels - self.levels:
            return block
        return nn.Sequential(block, Attention(stage.spatial_dims, stage.out_channels, self.pooled))


def attention_map(network: UNet, image: Tensor, pixel: tuple[int, ...], level: int = 0) -> Tensor:
    """How much a pixel attends to each place of an image, as a multiple of an even share: `(*S)`.

    Args:
        network: with `Attention`.
        image: `(1, C, *S)`.
        pixel: a place in S.
        level: which of the network's attentions, the finest first.

    Raises:
        ValueError: if the network has no such attention.
    """
    attentions = [module for module in network.modules() if isinstance(module, Attention)]
    if not 0 <= level < len(attentions):
        raise ValueError(f"level: expected one of {len(attentions)} attentions, got {level}")
    attention, seen = attentions[level], []
    hook = attention.register_forward_pre_hook(lambda module, inputs: seen.extend(inputs))
    try:
        with torch.no_grad():
            network(image)
            weights, keys = attention.weights(seen[0])[0], attention.pool(seen[0])
    finally:
        hook.remove()
    padded, size = pad_to_multiple(image, network.multiple).shape[2:], seen[0].shape[2:]
    strides = [fine // coarse for fine, coarse in zip(padded, size, strict=True)]
    place = [i // stride for i, stride in zip(pixel, strides, strict=True)]
    found = weights.view(*size, *keys.shape[2:])[tuple(place)] * weights.shape[1]
    for axis, (stride, coarse, pooled) in enumerate(zip(strides, size, keys.shape[2:], strict=True)):
        each = stride * -(-coarse // pooled)  # voxels that a key covers
        found = found.index_select(axis, torch.arange(image.shape[2 + axis], device=image.device) // each)
    return found
