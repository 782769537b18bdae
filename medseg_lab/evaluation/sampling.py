"""Cases with several sampled segmentations each, and where these are judged voxel by voxel (section 4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.inference.predict import covered
from medseg_lab.inference.sample import sample_case

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter

SLICES, SIDE = 8, 256
"""Of what a learner of slices samples, so many slices are kept, and so many pixels along their edges: n
samples of everything would cost n times the judging."""
MARGIN = 8
"""Voxels within so many of what any rater marked are judged; all others are easy for every method."""


@dataclass(frozen=True)
class Drawn:
    """A case and samples of its segmentation.

    Args:
        case: what was sampled; perhaps a few slices only, or the middle of them (`thinned`).
        samples: class probabilities `(n, K, *S)`, float32.
        noise: sigma of the logits as the learner predicts it, the mean over the classes, `(*S)`; None for a
            learner without such a map.
    """

    case: Case
    samples: Tensor
    noise: Tensor | None = None

    @cached_property
    def mean(self) -> Tensor:
        """p(y | x) as estimated, `(K, *S)`."""
        return self.samples.mean(dim=0)

    @cached_property
    def prediction(self) -> Tensor:
        """The class that is most probable on the mean, `(*S)`, uint8."""
        return self.mean.argmax(dim=0).to(torch.uint8)


def drawn(
    learner: "Segmenter", cohort: "Cohort", cases: Iterable[Case], n: int, seed: int | None = None
) -> Iterator[Drawn]:
    """Each case with `n` samples, on the CPU.

    Args:
        learner: one that can `sample`.
        cohort: whose preprocessing says across which axis volumes are sliced.
        cases: images; what a learner of slices samples is `thinned`.
        n: how many samples.
        seed: random seed of the first case, one more for each that follows; None goes on with PyTorch's
            global generator.
    """
    axis, patch = cohort.card.preprocessing.slice_axis, learner.patch or cohort.patch
    for number, case in enumerate(cases):
        sliced = case.image.ndim == learner.task.spatial_dims + 2
        kept = thinned(case, axis if sliced else None) if learner.task.spatial_dims == 2 else case
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed + number)
            samples = sample_case(learner, kept.image, n, patch, axis).cpu()
        noise = None
        # asked by name: an import of the class would make it part of the key of every judged run
        if noise_std := getattr(learner, "noise_std", None):
            noise = covered(learner, kept.image, noise_std, patch, axis).mean(dim=0).cpu()
        yield Drawn(kept, samples, noise)


def thinned(case: Case, axis: int | None, slices: int = SLICES, side: int = SIDE) -> Case:
    """A part of a case that is small enough to be sampled many times, in two dimensions.

    Args:
        case: a picture or a volume.
        axis: along which a volume is thinned out: the slices kept are evenly spread over those in which a
            rater marked something. None for a picture.
        slices: how many are kept.
        side: the middle of the picture or of the slices is kept, at most so many pixels along each edge.
    """
    shape = case.labels.shape[1:]
    axis = None if axis is None else axis % len(shape)
    chosen = [torch.arange(n)[max(0, n - side) // 2 :][:side] for n in shape]
    if axis is not None:
        marked = (case.labels > 0).any(dim=0).movedim(axis, 0).flatten(1).any(dim=1).nonzero().flatten()
        among = marked if len(marked) else torch.arange(shape[axis])
        places = torch.linspace(0, len(among) - 1, min(slices, len(among)))
        chosen[axis] = among[places.round().long()]

    def part(maps: Tensor) -> Tensor:
        for number, kept in enumerate(chosen):
            maps = maps.index_select(number + 1, kept)
        return maps

    known = None if case.distribution is None else part(case.distribution)
    return Case(case.id, case.patient, part(case.image), part(case.labels), case.spacing, known)


def judged_voxels(case: Case, slice_axis: int = -1, margin: int = MARGIN) -> Tensor:
    """The voxels that all raters labelled, within `margin` of one that any rater marked: `(*S)`, bool.

    Args:
        case: a picture, or a volume of slices that do not touch (`thinned`).
        slice_axis: across which slices of a volume were taken: there is no margin across them.
        margin: in voxels.
    """
    readings = case.labels.cpu()
    across = slice_axis % 3 if readings.ndim == 4 else None
    return surroundings(readings, margin, across) & (readings != IGNORE).all(dim=0)


def surroundings(readings: Tensor, margin: int, across: int | None = None) -> Tensor:
    """The voxels within `margin` of one that any rater marked, along each axis but `across`: `(*S)`, bool.

    The whole image where nobody marked anything.
    """
    marked = ((readings > 0) & (readings != IGNORE)).any(dim=0)
    if not marked.any():
        return ~marked
    for axis in range(marked.ndim):
        if axis != across:
            lines = marked.movedim(axis, -1).float()
            grown = F.max_pool1d(lines.flatten(0, -2)[:, None], 2 * margin + 1, stride=1, padding=margin)
            marked = grown.reshape(lines.shape).movedim(-1, axis) > 0
    return marked
