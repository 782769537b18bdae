"""Training batches, drawn and augmented on the device.

Cases live on the device as tensors, or on disk where a cohort is larger than memory: the bits are the same. A
batch is a pure function of (seed, step): nothing is remembered between steps, so a run that resumes at step n
sees what it would have seen.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.augment import Augmentation, change_intensity
from medseg_lab.data.batch import Batch
from medseg_lab.data.folds import outside
from medseg_lab.data.mapped import relabelled
from medseg_lab.data.pool import Pool
from medseg_lab.data.reading import Reading
from medseg_lab.data.spoiled import spoiled
from medseg_lab.data.task import Task
from medseg_lab.data.view import View
from medseg_lab.data.weight_maps import WeightMap

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

EVERYTHING = Augmentation()


class Batches:
    """Patches of a cohort's training cases; slices, where the task has two dimensions and the cohort three.

    Args:
        budget_voxels: a batch holds as many patches as fill so many voxels, at least one.
        patch_limit: no edge of a volume's patch is longer; the card's patch is the other limit, and the only
            one of slices.
        augmentation: how patches are varied.
        unlabelled: also draw as many patches from the cohort's unlabelled cases, and of their labels where a
            method has given them any.
        fold: `(i, k)` leaves out part i of the labelled patients dealt to k parts; empty for all of them.
        plane: of slices: 0 for those across the card's slice axis, 1 and 2 for those across the next axes.
        size: patches of a batch, whatever voxels they fill; None goes by `budget_voxels`.
        back_after: steps after which the places of unlabelled patches come again, each time changed in
            another way, for a learner that remembers what it saw there; None for new places in every step.
        reading: whose labels are drawn, where a case has several raters.
        weight_map: from a label and its spacing to the weights of its voxels, of the dimension of the task.

    Raises:
        ValueError: if the task wants volumes of a cohort of slices, unlabelled cases where there are none, or
            more folds than there are labelled patients.
    """

    def __init__(
        self,
        cohort: "Cohort",
        task: Task,
        budget_voxels: int,
        patch_limit: int,
        device: torch.device | str = "cpu",
        seed: int = 0,
        unlabelled: bool = False,
        augmentation: Augmentation = EVERYTHING,
        reading: Reading = "reference",
        fold: tuple[int, ...] = (),
        size: int | None = None,
        back_after: int | None = None,
        weight_map: WeightMap | None = None,
        plane: int = 0,
    ) -> None:
        if task.spatial_dims > cohort.task.spatial_dims:
            raise ValueError(
                f"{cohort.id}: expected a task of at most {cohort.task.spatial_dims} dimensions, "
                f"got {task.spatial_dims}"
            )
        if unlabelled and not cohort.unlabelled:
            raise ValueError(f"{cohort.id}: expected unlabelled cases, got none: load it with labelled=n")
        how = cohort.card.preprocessing
        sliced = (how.slice_axis + plane) % 3 if task.spatial_dims < cohort.task.spatial_dims else None
        kept = [a for a in range(cohort.task.spatial_dims) if a != sliced]
        self.patch, fitting = patches(cohort, task.spatial_dims, budget_voxels, patch_limit, plane)
        self.batch_size = size or fitting
        self._mirror = tuple(kept.index(a) for a in how.mirror if a in kept)
        self._seed, self._augmentation, self._back_after = seed, augmentation, back_after
        labelled = outside(cohort.labelled, *fold) if fold else cohort.labelled
        if (
            reading == "spoiled"
        ):  # known of a whole case and the card's slices, whichever plane is learned from
            labelled = tuple(relabelled(case, spoiled(case, how.slice_axis)) for case in labelled)
        self._labelled = Pool(labelled, self.patch, sliced, device, reading, weight_map)
        self._unlabelled = Pool(cohort.unlabelled, self.patch, sliced, device) if unlabelled else None

    @property
    def labelled_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each labelled case, the slice axis first."""
        return self._labelled.shapes

    @property
    def unlabelled_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each unlabelled case as a `View` counts its voxels, the slice axis first."""
        return self._unlabelled.shapes if self._unlabelled else ()

    def batch(self, step: int) -> Batch:
        """The batch of this step: the same whenever it is asked for."""
        image, label, weight, _ = self._draw(self._labelled, step, stream=0)
        if self._unlabelled is None:
            return Batch(image, label.long(), mirror=self._mirror, weight=weight)
        at = step % self._back_after if self._back_after else step
        unlabelled, pseudo, _, views = self._draw(self._unlabelled, step, stream=1, at=at)
        found = pseudo.long() if self._unlabelled.labelled else None
        return Batch(image, label.long(), unlabelled, views, self._mirror, weight, found)

    def _draw(
        self, pool: Pool, step: int, stream: int, at: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None, View]:
        """Patches at the places of step `at` (its own, if None), changed as this step draws it.

        Weights move with the image, in one resampling, and intensities are changed without them.
        """
        at = step if at is None else at
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, at, stream]))
        places = range(at * self.batch_size, (at + 1) * self.batch_size)
        cases = [_epoch(self._seed, stream, g // len(pool), len(pool))[g % len(pool)] for g in places]
        starts = [pool.start(case, rng) for case in cases]
        entries = [pool.entry(case, rng) for case in cases]
        if at != step:
            rng = np.random.default_rng(np.random.SeedSequence([self._seed, step, stream]))
        spatial = self._augmentation.draw_spatial(rng, pool.spacing[cases], self._mirror)
        intensity = self._augmentation.draw_intensity(rng, len(cases))
        if spatial is None:
            view = View.plain(entries, starts, self.patch)
        else:
            view = View(entries, starts, self.patch, spatial.matrix, spatial.mirrored, spatial.control)
        image, label = view.of(pool)
        weight = None
        if pool.weighted:
            image, weight = image[:, :-1].contiguous(), image[:, -1] + 1
        return image if intensity is None else change_intensity(image, intensity), label, weight, view


def patches(
    cohort: "Cohort", spatial_dims: int, voxels: int, limit: int, plane: int = 0
) -> tuple[tuple[int, ...], int]:
    """The patch of a learner of so many dimensions, and how many of them fill a step.

    Args:
        cohort: whose card says how large patches may be.
        spatial_dims: of the learner.
        voxels, limit, plane: `budget_voxels`, `patch_limit` and `plane` of `Batches`.
    """
    how, dims = cohort.card.preprocessing, cohort.task.spatial_dims
    edges = how.patch
    if spatial_dims < dims:
        kept = tuple(edge for axis, edge in enumerate(edges) if axis != (how.slice_axis + plane) % 3)
        edges = kept if plane or not how.slice_patch else how.slice_patch
    if spatial_dims == 3:
        edges = tuple(min(edge, limit) for edge in edges)
    return edges, max(1, voxels // math.prod(edges))


@lru_cache(maxsize=64)
def _epoch(seed: int, stream: int, epoch: int, n: int) -> list[int]:
    """The order of the n cases in one pass over them."""
    order = np.random.default_rng(np.random.SeedSequence([seed, 2**20 + stream, epoch])).permutation(n)
    return [int(i) for i in order]
