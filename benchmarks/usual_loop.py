"""The usual MONAI training, which the benchmarks hold the library against: imported, not run.

It is what MONAI's tutorials teach: cases held in memory (`CacheDataset`), random transforms one sample
after the other in the workers of a `DataLoader`, MONAI's layers and loss in PyTorch's memory format. Its
patches vary as much as ours (the ranges and shares of `Augmentation`, the foreground share of `Pool`).

It is given what costs an ordinary script time and is not the point here: the voxels that a patch may be
centred on are found once per case, there is one pass through the loader and no wait between epochs, and
tensors leave the loader without MONAI's metadata.

What differs is small: a patch of theirs is cut about any foreground voxel or a background one, ours about
one of a random class or anywhere; theirs is turned after it is cut, with zeros beyond; gains, scales and
gammas are drawn evenly, ours evenly in their logarithm.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.pool import FOREGROUND_SHARE
from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.training.learner import Learner
from medseg_lab.training.schedule import learning_rate

if TYPE_CHECKING:
    from monai.data import DataLoader

    from medseg_lab.data.cohort import Cohort

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def with_monai_layers(network: nn.Module) -> nn.Module:
    """A copy of one of our networks, with the same weights, whose convolutions and norms are MONAI's.

    Raises:
        ValueError: for a layer that has no counterpart.
    """
    twin = copy.deepcopy(network)
    _replace_layers(twin)
    parameters = zip(network.parameters(), twin.parameters(), strict=True)
    with torch.no_grad():
        for ours, theirs in parameters:
            theirs.copy_(ours)
    return twin


def _replace_layers(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, CONVOLUTIONS):
            setattr(module, name, _monai_convolution(child))
        elif isinstance(child, nn.Sequential) and len(child) == 3 and isinstance(child[0], CONVOLUTIONS):
            setattr(module, name, _monai_convolution(*child))
        elif isinstance(child, InstanceNorm):
            raise ValueError(f"{name}: expected a norm behind a convolution, got one by itself")
        else:
            _replace_layers(child)


def _monai_convolution(
    layer: nn.Module, norm: nn.Module | None = None, activation: nn.Module | None = None
) -> nn.Module:
    """MONAI's block of a convolution, its norm and its activation; alone if there are none."""
    from monai.networks.blocks.convolutions import Convolution

    assert isinstance(layer, CONVOLUTIONS)
    assert not isinstance(layer.padding, str)
    transposed = isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d)
    return Convolution(
        len(layer.kernel_size),
        layer.in_channels,
        layer.out_channels,
        strides=layer.stride,
        kernel_size=layer.kernel_size,
        padding=layer.padding,
        output_padding=layer.output_padding if transposed else None,
        is_transposed=transposed,
        bias=layer.bias is not None,
        norm=("instance", {"affine": True}) if isinstance(norm, InstanceNorm) else None,
        act=_activation(activation),
        conv_only=activation is None,
    )


def _activation(activation: nn.Module | None) -> tuple[str, dict[str, float]] | None:
    """As MONAI names it.

    Raises:
        ValueError: for one that is not among our networks' today.
    """
    if activation is None:
        return None
    if isinstance(activation, nn.LeakyReLU):
        return "leakyrelu", {"negative_slope": activation.negative_slope, "inplace": activation.inplace}
    if isinstance(activation, nn.PReLU):
        return "prelu", {"num_parameters": activation.num_parameters}
    raise ValueError(f"activation: expected LeakyReLU or PReLU, got {type(activation).__name__}")


def batches(
    cohort: "Cohort",
    dims: int,
    patch: tuple[int, ...],
    batch_size: int,
    steps: int,
    device: str = "cpu",
    workers: int = 2,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images `(N, C, *patch)` and labels `(N, 1, *patch)` on the device, for so many steps.

    Args:
        cohort: its labelled cases are held in memory.
        dims: 2 for slices of volumes, or the cohort's own.
        patch: voxels along each of the `dims` axes.
        batch_size: N.
        steps: batches in all.
        device: `cpu` or `cuda`.
        workers: processes of the loader.
    """
    for batch in _loader(cohort, dims, patch, batch_size, steps, workers):
        image, label = (batch[key].as_tensor() for key in ("image", "label"))
        yield image.to(device, non_blocking=True), label.to(device, non_blocking=True)


def _loader(
    cohort: "Cohort", dims: int, patch: tuple[int, ...], batch_size: int, steps: int, workers: int
) -> "DataLoader":
    from monai.data import CacheDataset, DataLoader
    from monai.transforms import (
        Compose,
        FgBgToIndicesd,
        RandAdjustContrastd,
        RandAffined,
        RandCropByPosNegLabeld,
        RandFlipd,
        RandGaussianNoised,
        RandScaleIntensityd,
        RandShiftIntensityd,
        SelectItemsd,
        SqueezeDimd,
    )

    prepared, how, keys = cohort.card.preprocessing, Augmentation(), ["image", "label"]
    sliced = prepared.slice_axis if dims < cohort.task.spatial_dims else None
    kept = [axis for axis in range(cohort.task.spatial_dims) if axis != sliced]
    window = list(patch)
    if sliced is not None:
        window.insert(sliced % cohort.task.spatial_dims, 1)
    share, angle = FOREGROUND_SHARE, torch.pi * how.rotation_deg / 180
    steps_of_a_sample = [
        FgBgToIndicesd("label"),
        RandCropByPosNegLabeld(
            keys,
            "label",
            window,
            pos=share,
            neg=1 - share,
            num_samples=1,
            fg_indices_key="label_fg_indices",
            bg_indices_key="label_bg_indices",
        ),
        SelectItemsd(keys),
        *([] if sliced is None else [SqueezeDimd(keys, dim=sliced % cohort.task.spatial_dims + 1)]),
        RandAffined(
            keys,
            prob=how.resampled,
            rotate_range=(angle,) * (3 if dims == 3 else 1),
            scale_range=((how.scale[0] - 1, how.scale[1] - 1),) * dims,
            mode=("bilinear", "nearest"),
            padding_mode="zeros",
        ),
        *(RandFlipd(keys, prob=0.5, spatial_axis=kept.index(a)) for a in prepared.mirror if a in kept),
        RandAdjustContrastd("image", prob=how.gamma_share, gamma=how.gamma),
        RandScaleIntensityd("image", prob=1.0, factors=(how.gain[0] - 1, how.gain[1] - 1)),
        RandShiftIntensityd("image", prob=1.0, offsets=how.shift[1]),
        RandGaussianNoised("image", prob=how.noise_share, std=how.noise[1]),
    ]
    data = [{"image": case.image, "label": case.labels[:1]} for case in cohort.labelled]
    cached = CacheDataset(data, Compose(steps_of_a_sample), progress=False)
    order = torch.utils.data.RandomSampler(cached, replacement=True, num_samples=steps * batch_size)
    return DataLoader(
        cached,
        batch_size=batch_size,
        sampler=order,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )


def step_of(
    learner: Learner, steps: int, device: str, bfloat16: bool
) -> tuple[nn.Module, Callable[[int, Tensor, Tensor], Tensor]]:
    """The network with MONAI's layers, and its training step: `step(number, image, label)` gives the loss.

    Args:
        learner: a `Supervised` one: its network is copied, its hyper-parameters are used.
        steps: how long the training is, for the learning rate.
        device: `cpu` or `cuda`.
        bfloat16: whether the network runs under autocast.
    """
    from monai.losses.dice import DiceCELoss

    network: Any = with_monai_layers(learner.network).to(device).train()
    loss_of = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, smooth_nr=1, smooth_dr=1, batch=True
    )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=learner.weight_decay)

    def step(number: int, image: Tensor, label: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16) if bfloat16 else nullcontext():
            outputs = network.heads(image) if hasattr(network, "heads") else (network(image),)
        losses: list[Tensor] = [loss_of(logits.float(), label) for logits in outputs]
        loss = torch.stack(losses).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), learner.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(number, steps, learner.learning_rate)
        optimiser.step()
        return loss.detach()

    return network, step
