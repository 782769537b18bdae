"""Samples of a whole image, by sliding window: its plausible segmentations (section 4)."""

from math import ceil

import torch
from torch import Tensor

from medseg_lab.inference.predict import covered
from medseg_lab.training.segmenter import Segmenter


def sample_case(
    learner: Segmenter,
    image: Tensor,
    n: int,
    patch: tuple[int, ...] | None = None,
    slice_axis: int = -1,
    overlap: float = 0.25,
) -> Tensor:
    """Several plausible segmentations of an image, however large.

    All windows are sampled from one state of PyTorch's generator, so that sample i is one draw throughout:
    the same member, latent direction or weights in every window (`Learner.sample`). It is taken from the
    global generator, which moves on by one number.

    Args:
        learner: one that can `sample`; it is put into evaluation mode for the call.
        image: `(C, *S)`.
        n: how many.
        patch, slice_axis, overlap: as in `medseg_lab.inference.predict.predict_case`.

    Returns:
        Probabilities `(n, K, *S)`, float32, on the learner's device; they sum to 1 over K.

    Raises:
        ValueError: for fewer than one sample, or as `predict_case`.
    """
    if n < 1:
        raise ValueError(f"samples: expected 1 or more, got {n}")
    seed = int(torch.randint(2**31, ()))

    def look(patches: Tensor) -> Tensor:
        torch.manual_seed(seed)
        return learner.sample(patches, n).movedim(0, 1).flatten(1, 2).contiguous()  # (N, n K, *window)

    with torch.random.fork_rng():
        # Four samples' maps take as much memory as one pass; few windows a call would repeat what does not
        # depend on the window, such as drawing weights.
        maps = covered(learner, image, look, patch, slice_axis, overlap, passes=ceil(n / 4))
    samples = maps.unflatten(0, (n, len(learner.task.classes)))
    return torch.stack([learner.finish(sample, image) for sample in samples])
