"""What a network costs and sees: parameters, floating point operations, kept activations, receptive field."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from medseg_lab.networks.norms import InstanceNorm

NORMS = (InstanceNorm, nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def parameters(network: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def flops(network: nn.Module, image_shape: Sequence[int], **forward: Any) -> int:
    """Floating point operations of one forward pass on an image `(N, C, *S)`.

    A multiplication and its addition count as 2. Convolutions and matrix products are counted; norms,
    activations, pooling and interpolation, a few per cent of the total, are not. The pass runs on PyTorch's
    meta device, where tensors have a shape and no values, so nothing is computed.

    Args:
        forward: passed on to the network, such as `depth=2` for a U-Net++.
    """
    on_meta = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        on_meta(torch.empty(*image_shape, device="meta"), **forward)
    return int(counter.get_total_flops())


def activations(network: nn.Module, image_shape: Sequence[int]) -> int:
    """Bytes that one training step on an image `(N, C, *S)` keeps until the gradients are computed.

    Counted in float32: each tensor that an operation of the forward pass saves for its backward pass, once,
    the image included, the weights left out. A network with `heads` computes all of them, as in training. The
    loss adds a few maps with a channel for each class. The pass runs on PyTorch's meta device, as in `flops`.
    """
    on_meta: Any = copy.deepcopy(network).to("meta").train()
    run = getattr(on_meta, "heads", on_meta)
    image = torch.empty(*image_shape, device="meta")
    return kept_bytes(lambda: run(image), on_meta.state_dict().values())


def kept_bytes(compute: Callable[[], Any], weights: Iterable[Tensor] = ()) -> int:
    """Bytes of the tensors that `compute` saves for its backward pass, each once, without the `weights`."""
    left_out = {StorageWeakRef(w.untyped_storage()) for w in weights}
    kept: dict[StorageWeakRef, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[StorageWeakRef(tensor.untyped_storage())] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = compute()
    del outputs
    return sum(found.untyped_storage().nbytes() for ref, found in kept.items() if ref not in left_out)


def influence(network: nn.Module, image: Tensor) -> Tensor:
    """How much each voxel of an image `(1, C, *S)` changes the output at the centre: `(*S)`, up to 1.

    The absolute gradient of the logits there, of the network as it is. Without norms it is zero beyond the
    receptive field. An instance norm takes mean and variance of the whole map, so with it no voxel has none.
    """
    image = image.clone().requires_grad_()
    centre = (..., *(size // 2 for size in image.shape[2:]))
    (gradient,) = torch.autograd.grad(network(image)[centre].sum(), image)
    size = gradient.abs().sum(dim=(0, 1))
    return size / size.max()


def receptive_field(network: nn.Module, extent: int = 512, **forward: Any) -> tuple[int, ...]:
    """Voxels along each axis that can change the output at the centre of an image, by gradient.

    The field is that of the structure without its norms (`influence` has them), so it is measured on a linear
    copy of the network: norms, activations and dropout become the identity, max pooling becomes mean pooling,
    and weights become equal and positive, so that no two paths cancel. Then every voxel that is connected to
    the output has a positive gradient. Each axis is measured on an image that is `extent` voxels long there
    and one voxel wide elsewhere, which is cheap in 3D, too. Other modules are left unchanged.

    Raises:
        ValueError: if the field reaches the end of the image, because it may be larger.
    """
    probe = _linear(copy.deepcopy(network)).double()
    first = next(m for m in probe.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    dims = first.weight.ndim - 2
    field = []
    for axis in range(dims):
        shape = [extent if a == axis else 1 for a in range(dims)]
        image = torch.ones(1, first.in_channels, *shape, dtype=torch.float64, requires_grad=True)
        centre = (..., *(size // 2 for size in shape))
        (gradient,) = torch.autograd.grad(probe(image, **forward)[centre].sum(), image)
        seen = gradient.sum(dim=(0, 1)).flatten().nonzero().flatten()
        if seen[0] == 0 or seen[-1] == extent - 1:
            raise ValueError(f"extent: expected more than the receptive field, got {extent}")
        field.append(int(seen[-1] - seen[0]) + 1)
    return tuple(field)


class _MeanPool(nn.Module):
    """Mean pooling over the windows of a max pooling without padding or dilation."""

    def __init__(self, pool: nn.MaxPool2d | nn.MaxPool3d) -> None:
        super().__init__()
        self.kernel, self.stride, self.ceil_mode = pool.kernel_size, pool.stride, pool.ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        mean, dims = (F.avg_pool2d, 2) if x.ndim == 4 else (F.avg_pool3d, 3)
        sides = (self.kernel,) * dims if isinstance(self.kernel, int) else self.kernel
        # Unlike max pooling, mean pooling raises an error for an axis shorter than its window.
        window = [min(side, size) for side, size in zip(sides, x.shape[2:], strict=True)]
        return mean(x, window, self.stride, ceil_mode=self.ceil_mode)


def _linear(module: nn.Module) -> nn.Module:
    """`module` with every layer replaced by a linear one that reads the same voxels."""
    if isinstance(module, (*NORMS, *ACTIVATIONS, nn.modules.dropout._DropoutNd)):
        return nn.Identity()
    if isinstance(module, nn.MaxPool2d | nn.MaxPool3d):
        return _MeanPool(module)
    if isinstance(module, CONVOLUTIONS):
        # The mean over the inputs: activations stay near 1 at any depth.
        nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for name, child in module.named_children():
        setattr(module, name, _linear(child))
    return module
