"""Cases with what a learner holds to be possible of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.sample import sample_case

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.learner import Learner

SLICES = 8
"""Of a volume that a learner of slices samples: n samples of all slices would cost n times the judging."""


@dataclass(frozen=True)
class Drawn:
    """A case and samples of its segmentation.

    Args:
        case: what was sampled; of a volume, perhaps a few slices only.
        samples: class probabilities `(n, K, *S)`, float32.
    """

    case: Case
    samples: Tensor

    @cached_property
    def mean(self) -> Tensor:
        """p(y | x) as estimated, `(K, *S)`."""
        return self.samples.mean(dim=0)

    @cached_property
    def prediction(self) -> Tensor:
        """The class that is most probable on the mean, `(*S)`, uint8."""
        return self.mean.argmax(dim=0).to(torch.uint8)


def drawn(
    learner: "Learner", cohort: "Cohort", cases: Iterable[Case], n: int, seed: int | None = None
) -> Iterator[Drawn]:
    """Each case with `n` samples, on the CPU.

    Args:
        learner: one that can `sample`.
        cohort: whose preprocessing says across which axis volumes are sliced.
        cases: images; of a volume that a learner of slices samples, `SLICES` slices are kept.
        n: how many samples.
        seed: of what is drawn for the first case, one more for each that follows; None goes on with PyTorch's
            global generator.
    """
    axis, patch = cohort.card.preprocessing.slice_axis, learner.patch or cohort.patch
    for number, case in enumerate(cases):
        kept = thinned(case, axis) if case.image.ndim == learner.task.spatial_dims + 2 else case
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed + number)
            samples = sample_case(learner, kept.image, n, patch, axis).cpu()
        yield Drawn(kept, samples)


def thinned(case: Case, axis: int, slices: int = SLICES) -> Case:
    """A volume with so many of its slices, evenly spread over those in which a rater marked something."""
    axis %= case.image.ndim - 1
    marked = (case.labels > 0).any(dim=0).movedim(axis, 0).flatten(1).any(dim=1).nonzero().flatten()
    among = marked if len(marked) else torch.arange(case.labels.shape[axis + 1])
    chosen = among[torch.linspace(0, len(among) - 1, min(slices, len(among))).round().long()]
    known = case.distribution
    return Case(
        case.id,
        case.patient,
        case.image.index_select(axis + 1, chosen),
        case.labels.index_select(axis + 1, chosen),
        case.spacing,
        None if known is None else known.index_select(axis + 1, chosen),
    )
