"""What the classical methods take from the labels: which grey value each class has (survey 0)."""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import default

LOOKS = 32
"""Steps of a training: so many batches tell the mean grey value of a class well enough."""

Grey = NDArray[np.float64]
"""Grey values: of an image `(*S)`, or of the classes `(K,)`."""


class Classical(Learner):
    """Base of the classical methods: an algorithm that acts on whole cases, and no network.

    An algorithm finds regions, and does not know what they are called. So all that is learned is the mean
    grey value of each class, `grey` `(K, C)`. Its loss is Otsu's own criterion, the variance within the
    classes [4]. The mean is its minimum, so nothing has to descend: `after_step` sets it to the mean over all
    labelled patches so far. It costs seconds, whatever the budget allows.

    Of patches, `predict` says which class is nearest by grey value, voxel by voxel. The algorithm
    (`segmented`, which a subclass has) gets the whole case in `finish`, since a histogram or a contour is a
    matter of the whole image.

    Args:
        channel: of the image, which is segmented; None for that in which the classes lie furthest apart: the
            variance of their means over the mean of their variances (Fisher's ratio).
        smoothing: standard deviation of the Gaussian filter that the image goes through first, in pixels of
            the finest axis; 0 for none. Along an axis with larger voxels it is as wide in mm.
        augmentation: none by default: grey values are to be those of the images.
    """

    channel: Annotated[int, Field(ge=0)] | None = None
    smoothing: Annotated[float, Field(ge=0)] = 1.0
    augmentation: Augmentation = default(Augmentation, spatial=False, intensity=False)

    def build(self) -> None:
        """The grey values, and the sums from which they come."""
        channels, k = self.task.channels, len(self.task.classes)
        if self.channel is not None and self.channel >= channels:
            name = type(self).__name__
            raise ValueError(f"{name}: channel: expected 0 to {channels - 1}, got {self.channel}")
        self.spacing = self.task.spacing  # of the case: the task may be posed to slices
        super().build()
        self.grey = nn.Parameter(torch.randn(k, channels))
        self.count: Tensor
        self.total: Tensor
        self.squares: Tensor
        self.register_buffer("count", torch.zeros(k, dtype=torch.float64))
        self.register_buffer("total", torch.zeros(k, channels, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(k, channels, dtype=torch.float64))

    def steps_within(self, steps: int) -> int:
        """At most `LOOKS`."""
        return min(steps, LOOKS)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The variance within the classes: the mean over voxels and channels."""
        self._seen = batch
        image, label = _voxels(batch)
        distance: Tensor = (image - self.grey[label]) ** 2
        return {"within_class_variance": distance.mean() if len(label) else self.grey.sum() * 0}

    def after_step(self, step: int) -> None:
        """Set each class's grey value to its mean over all voxels seen; a class not met keeps its own."""
        image, label = _voxels(self._seen)
        one_hot = F.one_hot(label, len(self.grey)).double()  # (voxels, K)
        self.count += one_hot.sum(dim=0)
        self.total += one_hot.T @ image.double()
        self.squares += one_hot.T @ image.double() ** 2
        with torch.no_grad():
            self.grey.copy_((self.total / self.count[:, None]).where(self.count[:, None] > 0, self.grey))

    @property
    def known(self) -> Tensor:
        """Which classes have been met, bool `(K,)`; all of them before the first step."""
        return (self.count > 0) | ~(self.count > 0).any()

    @property
    def spread(self) -> Tensor:
        """The standard deviation of the grey values of each class, `(K, C)`; 1 of a class not met."""
        count = self.count[:, None]
        variance = (self.squares / count - (self.total / count) ** 2).clamp_min(0)
        return variance.sqrt().where(count > 0, 1.0)

    @property
    def in_channel(self) -> tuple[Grey, Grey]:
        """The grey values of the classes in the segmented channel, and how much they vary: `(K,)` each."""
        both = (self.grey[:, self.clearest_channel], self.spread[:, self.clearest_channel])
        grey, spread = (each.double().numpy(force=True) for each in both)
        return grey, spread

    @property
    def clearest_channel(self) -> int:
        """The one that is segmented."""
        if self.channel is not None:
            return self.channel
        between = self.grey[self.known].double().var(dim=0, correction=0)
        within = (self.spread[self.known] ** 2).mean(dim=0)
        return int((between / within.clamp_min(1e-12)).argmax())

    def nearest(self, values: Tensor) -> Tensor:
        """The class whose grey value is nearest in the segmented channel, of values of any shape."""
        grey = self.grey[:, self.clearest_channel]
        distance = (values[..., None].float() - grey).abs()
        return distance.masked_fill(~self.known, torch.inf).argmin(dim=-1)

    def predict(self, image: Tensor) -> Tensor:
        """Probability 1 of the class with the nearest grey value: `(N, C, *S)` to `(N, K, *S)`."""
        return self._certain(self.nearest(image[:, self.clearest_channel]))

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """What the algorithm finds in a whole case, with probability 1: `(K, *S)`."""
        values = image[self.clearest_channel].double().numpy(force=True)
        found = torch.from_numpy(self.segmented(values)).to(probabilities.device)
        return self._certain(found[None])[0].to(probabilities.dtype)

    def segmented(self, image: Grey) -> NDArray[np.int64]:
        """The classes `(*S)` of one channel of a whole case, `(*S)`."""
        raise NotImplementedError

    def smoothed(self, image: Grey) -> Grey:
        """The image after the Gaussian filter."""
        same = len(self.spacing) == image.ndim
        width = [self.smoothing * (min(self.spacing) / step if same else 1) for step in self.spacing]
        found: Grey = ndimage.gaussian_filter(image, width if same else self.smoothing)
        return found

    def named(self, regions: NDArray, image: Grey) -> NDArray[np.int64]:
        """The class of each region, by its mean grey value.

        Args:
            regions: numbers `(*S)`, from 0 on without a gap.
            image: `(*S)`.

        Returns:
            Classes by the number of the region.
        """
        sizes = np.bincount(regions.ravel())
        means = np.bincount(regions.ravel(), image.ravel()) / np.maximum(sizes, 1)
        found: NDArray[np.int64] = self.nearest(torch.from_numpy(means).to(self.grey.device)).numpy(
            force=True
        )
        return found

    def _certain(self, classes: Tensor) -> Tensor:
        """Probability 1 of classes `(N, *S)`, as `(N, K, *S)`, float32."""
        return F.one_hot(classes, len(self.grey)).movedim(-1, 1).float()


def _voxels(batch: Batch) -> tuple[Tensor, Tensor]:
    """The values `(n, C)` and classes `(n,)` of all labelled voxels."""
    known = batch.label != IGNORE
    return batch.image.movedim(1, -1)[known].float(), batch.label[known]
