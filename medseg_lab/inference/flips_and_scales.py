"""Test-time augmentation: flipped and scaled copies of an image, averaged (survey 2.3.1) [41, 46]."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from medseg_lab.training.changed import Changed
from medseg_lab.uncertainty.test_time_augmentation import ImageChange, answers


class FlipsAndScales(Changed):
    """A trained learner asked about every flip of a patch at every scale; answers go back, then are averaged.

    A network that answers a flipped image with the flipped answer gains nothing from flips. It takes as many
    passes as there are copies: 1 and the number of `scales`, times 2 to the power of the number of axes.

    Ours: where an enlarged copy left a voxel out of view, the plain prediction stands in.

    Args:
        learner: trained, of any method.
        mirror: axes of the patch that are reversed, in all combinations; None for those that the data set's
            card allows.
        scales: sizes of the content in further copies, beside the image as it is; [] for flips alone.

    Raises:
        ValueError: for an axis that the learner's patches do not have, or a scale that is not above 0.
    """

    mirror: Sequence[int] | None = None
    scales: Sequence[float] = (0.9, 1.1)

    def build(self) -> None:
        """Look at the learner's dimension, and list the changes."""
        super().build()
        dims = self.task.spatial_dims
        axes = self.task.mirror if self.mirror is None else self.mirror
        if not set(axes) <= set(range(dims)):
            raise ValueError(f"FlipsAndScales: mirror: expected axes of 0 to {dims - 1}, got {list(axes)}")
        if min(self.scales, default=1) <= 0:
            raise ValueError(f"FlipsAndScales: scales: expected sizes above 0, got {list(self.scales)}")
        flips = product(*([False, True] if axis in axes else [False] for axis in range(dims)))
        self.changes = [
            ImageChange(np.eye(dims)[None] / scale, np.array([flip]), None)
            for scale, flip in product((1.0, *self.scales), flips)
        ][1:]  # the first is the image as it is

    def predict(self, image: Tensor) -> Tensor:
        """The mean over the copies, `(N, K, *S)`."""
        return self.sample(image, 1 + len(self.changes)).mean(dim=0)

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The answers in turn, `(n, N, K, *S)`, the plain one first: sample i is that of copy i mod M."""
        found = self.learner.predict(image).float()[None]
        if changes := self.changes[: n - 1]:
            found = torch.cat((found, answers(self.learner, image, changes, found[0])))
        return found[torch.arange(n) % len(found)]
