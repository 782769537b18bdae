"""From a file's voxels to a network's tensors: resampling and normalisation.

Section 2.3 of the survey takes this as given; Isensee et al. (nnU-Net, 2021) show how much depends on it.
"""

from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.card import Preprocessing
from medseg_lab.data.case import Case
from medseg_lab.data.readers.decode.file_checks import MAX_VOXELS
from medseg_lab.data.readers.reader import Raw

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def prepare(raw: Raw, how: Preprocessing) -> Case:
    """The case of a file: resampled to `how.spacing` if given, cropped to its middle, then normalised.

    A resampled case has the new spacing; it is trained, predicted and scored on the new grid.

    Raises:
        ValueError: if a spacing is needed and the file has none, or one that would make too many voxels, or
            the image is constant.
    """
    image, labels, spacing = torch.from_numpy(raw.image), torch.from_numpy(raw.labels), raw.spacing
    known = None if raw.distribution is None else torch.from_numpy(raw.distribution)
    if how.spacing is not None and spacing != how.spacing:
        if spacing is None:
            raise ValueError(f"{raw.id}: has no spacing, and so cannot be resampled to {how.spacing} mm")
        shape = resampled_shape(image.shape[1:], spacing, how.spacing)
        if prod(shape) > MAX_VOXELS:
            raise ValueError(
                f"{raw.id}: expected at most {MAX_VOXELS} voxels of {how.spacing} mm, got {shape} from a "
                f"spacing of {spacing} mm"
            )
        image, labels, spacing = resample(image, shape), resample(labels, shape), how.spacing
        known = None if known is None else resample(known, shape)
    if how.crop is not None:
        image, labels = middle(image, how.crop), middle(labels, how.crop)
        known = None if known is None else middle(known, how.crop)
    return Case(raw.id, raw.patient, zscore(image, raw.id), labels, spacing, known)


def middle(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The middle of `(C, *S)`, at most `shape` along each axis; of two, the one nearer to the origin."""
    for axis, (size, kept) in enumerate(zip(volume.shape[1:], shape, strict=True), start=1):
        volume = volume.narrow(axis, max(0, size - kept) // 2, min(size, kept))
    return volume.contiguous()


def zscore(image: Tensor, name: str = "image") -> Tensor:
    """Each channel of `(C, *S)` to mean 0 and standard deviation 1; a constant channel to 0.

    In double precision, for intensities of a million.

    Raises:
        ValueError: if every channel is constant.
    """
    values = image.flatten(1).double()
    std = values.std(1, correction=0)
    if not (std > 0).any():
        raise ValueError(f"{name}: expected an image that varies, got the constant {float(values[0, 0])}")
    scaled = (values - values.mean(1, keepdim=True)) / std.where(std > 0, 1.0)[:, None]
    return scaled.reshape(image.shape).float()


def resampled_shape(
    shape: tuple[int, ...], spacing: tuple[float, ...], target: tuple[float, ...]
) -> tuple[int, ...]:
    """The number of voxels that covers the same millimetres at the `target` spacing, at least one an axis."""
    return tuple(max(1, int(np.round(n * s / w))) for n, s, w in zip(shape, spacing, target, strict=True))


def resample(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`(C, *S)` on a grid of another shape over the same box: images linearly, labels by the nearest."""
    if volume.dtype.is_floating_point:
        return F.interpolate(volume[None], size=shape, mode=LINEAR[len(shape)], align_corners=False)[0]
    return F.interpolate(volume[None], size=shape, mode="nearest-exact")[0]
