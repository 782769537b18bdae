"""Test-time augmentation [87] (section 4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data import augment as augmentation
from medseg_lab.data.augment import Augmentation, Intensity
from medseg_lab.data.view import View
from medseg_lab.training.device import laid_out
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.mc_dropout import VOXELS
from medseg_lab.uncertainty.sampled import Resampled

STRENGTH = Augmentation(resampled=1.0)
"""That of training, but that every draw is turned and scaled; training does so with a share, to save time."""


class TestTimeAugmentation(Resampled):
    """A trained learner asked about changed images; each answer is changed back before it is counted.

    The same organ could have been imaged a little turned, from nearer, with other contrast or noise. How much
    the prediction varies with such an acquisition is taken for aleatoric uncertainty. With nothing that may
    change, every sample is the learner's own prediction (to rounding).

    Departures from the paper: it takes a vote of the labels, here probabilities are averaged. It estimates
    the distribution of changes for a task, here it is that of training. A learner knows neither the spacing
    (it turns as if voxels were cubes) nor what lies beyond its patch (zeros come in, where training sees the
    image go on). Where a voxel was out of view, the prediction of the unchanged image stands in.

    Args:
        learner: trained, of any method.
        mirror: axes of the patch that may be reversed, each with a probability of one half; [] for none.
        geometric: whether draws are turned and scaled, as in training.
        intensity: whether gain, shift, gamma and noise are changed, as in training.

    Raises:
        ValueError: for an axis that the learner's patches do not have.
    """

    __test__ = False  # else pytest takes it for a test, by its name

    mirror: Sequence[int] = (0,)
    geometric: bool = True
    intensity: bool = True

    def build(self) -> None:
        """Look at the learner's dimension."""
        super().build()
        dims = self.task.spatial_dims
        if not set(self.mirror) <= set(range(dims)):
            raise ValueError(
                f"TestTimeAugmentation: mirror: expected axes of 0 to {dims - 1}, got {list(self.mirror)}"
            )

    def sample(self, image: Tensor, n: int) -> Tensor:
        """One draw of the augmentation for each, changed back: `(n, N, K, *S)`."""
        # One number of PyTorch's generator seeds numpy's: what is drawn does not depend on the patches.
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        changes = [self.drawn_change(rng) for _ in range(n)]
        return answers(self.learner, image, changes, self.learner.predict(image))

    def drawn_change(self, rng: np.random.Generator) -> "ImageChange":
        """A random one, of what may change."""
        d = self.task.spatial_dims
        spatial = augmentation.draw_spatial(rng, np.ones((1, d)), tuple(self.mirror), STRENGTH)
        intensity = augmentation.draw_intensity(rng, 1, STRENGTH)
        matrix = spatial.matrix if self.geometric else np.eye(d)[None]
        return ImageChange(matrix, spatial.mirrored, intensity if self.intensity else None)


@dataclass(frozen=True)
class ImageChange:
    """One change of geometry and intensity, the same for all patches.

    Args:
        matrix: `(1, d, d)`, from the voxels of the changed patch to those of the patch, about the centre.
        mirrored: the axes reversed afterwards, `(1, d)`.
        intensity: of one patch, changed last; None to leave it.
    """

    matrix: np.ndarray
    mirrored: np.ndarray
    intensity: Intensity | None

    def applied(self, image: Tensor) -> Tensor:
        """Patches `(N, C, *S)`, changed."""
        # Under autocast the grid would be bfloat16, an eighth of a voxel coarse on a patch of 64.
        with torch.autocast(image.device.type, enabled=False):
            changed = image.float().clone()
            if len(augmentation.turned(self.matrix)):
                matrix = self.matrix.repeat(len(image), axis=0)
                changed, _ = augmentation.resample(changed, changed[:, 0], matrix, tuple(image.shape[2:]))
            changed = augmentation.mirror_patch(changed, self.mirrored[0])
            if self.intensity is not None:
                for patch in changed.split(1):  # in place, one at a time, so that all have the same noise
                    augmentation.change_intensity(patch, self.intensity)
            return changed

    def undone(self, seen: Tensor, plain: Tensor) -> Tensor:
        """Probabilities `(N, K, *S)` of changed patches, changed back; `plain` where none were in view."""
        matrix, mirrored = (a.repeat(len(seen), axis=0) for a in (self.matrix, self.mirrored))
        with torch.autocast(seen.device.type, enabled=False):
            restored, in_view = View([], [], tuple(seen.shape[2:]), matrix, mirrored).undone(seen)
            if bool(in_view.all()):
                return restored
            total = restored.sum(dim=1, keepdim=True)  # 1 to rounding where a voxel was in view
            return torch.where(in_view.unsqueeze(1), restored / total, plain)


def answers(learner: Segmenter, image: Tensor, changes: Sequence[ImageChange], plain: Tensor) -> Tensor:
    """What a learner says of each change of patches `(N, C, *S)`, changed back: `(n, N, K, *S)`.

    Args:
        plain: what it says of the patches themselves, which stands in where a voxel was out of view.
    """
    together = max(1, VOXELS.get(image.device.type, VOXELS["cpu"]) // image[:, 0].numel())
    found: list[Tensor] = []
    for start in range(0, len(changes), together):
        chunk = changes[start : start + together]
        seen = torch.cat([change.applied(image) for change in chunk])
        said = learner.predict(laid_out(seen)).float().chunk(len(chunk))
        found += [change.undone(a, plain) for change, a in zip(chunk, said, strict=True)]
    return torch.stack(found)
