"""Class probabilities of a whole image, by sliding window."""

from functools import partial
from math import prod

import torch
from torch import Tensor

from medseg_lab.inference.windows import Look, by_windows
from medseg_lab.training.device import laid_out
from medseg_lab.training.segmenter import Segmenter

VOXELS = {"cpu": 2**17, "cuda": 2**22}
"""Voxels that go through the network together. On a CPU a quarter is about as fast, fewer are slower and more
only need memory (measured on the U-Net with one thread); a GPU wants to be filled."""


def predict_case(
    learner: Segmenter,
    image: Tensor,
    patch: tuple[int, ...] | None = None,
    slice_axis: int = -1,
    overlap: float = 0.25,
) -> Tensor:
    """The class probabilities of each voxel of an image, however large.

    Windows of the patch's size cover the image, overlap, and are averaged with Gaussian weights, so that a
    voxel near a window's border counts for little (nnU-Net [46]; `medseg_lab.inference.windows`). An image
    smaller than the patch is padded with 0, the mean of a z-scored image, and cropped back. A learner
    of slices predicts a volume slice by slice. The precision is that of training; what is returned is
    float32.

    Args:
        learner: it is put into evaluation mode for the call.
        image: `(C, *S)`; it is moved to the learner's device.
        patch: the window in voxels; None for the learner's training patch. For a learner of slices, edges
            along all axes of the volume are allowed; the one along `slice_axis` is then left out.
        slice_axis: of S, across which a volume is cut into slices; one or two axes further on for a learner
            of slices that lie in another `plane`.
        overlap: the share of a window that its neighbour covers, too.

    Returns:
        Probabilities `(K, *S)`, float32, on the learner's device; they sum to 1 over K.

    Raises:
        ValueError: if the dimensions of image, patch and learner do not belong together.
    """
    found = covered(learner, image, learner.predict, patch, slice_axis, overlap)
    return learner.finish(found, image)


def covered(
    learner: Segmenter,
    image: Tensor,
    look: Look,
    patch: tuple[int, ...] | None = None,
    slice_axis: int = -1,
    overlap: float = 0.25,
    passes: int = 1,
) -> Tensor:
    """What `look` makes of an image, window by window.

    Args:
        learner, image, patch, slice_axis, overlap: as in `predict_case`.
        look: from patches `(N, C, *window)` to M maps of each, `(N, M, *window)`.
        passes: as how many patches one counts, of those that go through the network together.

    Returns:
        `(M, *S)`, float32.

    Raises:
        ValueError: as `predict_case`.
    """
    dims, sliced = learner.task.spatial_dims, image.ndim == learner.task.spatial_dims + 2
    window = tuple(patch or learner.patch)
    axis = (slice_axis + learner.plane) % 3
    if sliced and len(window) == dims + 1:
        window = window[:axis] + window[axis + 1 :]
    if len(window) != dims or not ((sliced and dims == 2) or image.ndim == dims + 1):
        shape = tuple(image.shape)
        raise ValueError(
            f"image: expected {dims} axes behind C and in the patch, got {shape} with patch {window}"
        )
    device = next(learner.parameters()).device
    image = image.to(device, torch.float32)
    batch = image.movedim(axis + 1, 0) if sliced else image.unsqueeze(0)  # (N, C, *window's axes)
    together = max(1, VOXELS.get(device.type, VOXELS["cpu"]) // prod(window) // passes)
    was_training = learner.training
    learner.eval()
    try:
        with torch.inference_mode():
            maps = by_windows(partial(_patches, learner, look), batch, window, overlap, together)
    finally:
        learner.train(was_training)
    return maps.movedim(0, axis + 1) if sliced else maps[0]


def _patches(learner: Segmenter, look: Look, patches: Tensor) -> Tensor:
    """The maps of patches, in float32, computed in the precision of training."""
    low = learner.precision == "bf16-mixed"
    with torch.autocast(patches.device.type, dtype=torch.bfloat16, enabled=low):
        return look(laid_out(patches)).float()
