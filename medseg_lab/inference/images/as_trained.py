"""Other images prepared like those of a training, and what is predicted brought back to their grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.card import Card, Preprocessing
from medseg_lab.data.catalogue import is_known, load_card
from medseg_lab.data.preprocess import LINEAR, middle, resample, resampled_shape, zscore
from medseg_lab.data.readers.decode.file_checks import MAX_VOXELS
from medseg_lab.data.readers.folder import folder_card, written_card
from medseg_lab.data.wording import by
from medseg_lab.training.run import Run

FAR = 2.0
"""A voxel that is so many times longer or shorter than in the training is worth a warning."""


@dataclass(frozen=True)
class AsTrained:
    """What the images of a training were, and how they were prepared.

    Args:
        data: the data set's id.
        channels, classes: their names.
        spatial_dims: of the images: 3 for volumes, also where the learner works in slices.
        how: the data set's preprocessing.
        values: what masks store for the classes; empty for 0, 1, ...
        voxel_mm: the spacing of images whose files do not say it.
        thinned: of how many voxels along each axis one was kept; empty for all.
        spacing: the median of the training, in mm, after preprocessing; empty where it was not known.
    """

    data: str
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    spatial_dims: int
    how: Preprocessing
    values: tuple[int, ...] = ()
    voxel_mm: tuple[float, ...] | None = None
    thinned: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()

    @classmethod
    def of(cls, run: Run, card: Card | None = None) -> "AsTrained":
        """What a run's record says.

        Args:
            run: a finished run.
            card: of its data set, for a record that does not say it and a data set that is none of ours.

        Raises:
            ValueError: if a card is needed and there is none, or there is one that does not fit or that is
                not needed; or if what the record says contradicts itself.
        """
        facts, task = run.record.cohort, run.record.task
        name = f"run {run.record.key[:8]}"
        if facts.preprocessing is not None and card is not None:
            raise ValueError(f"{name}: expected no card, since its record says how images were prepared")
        if facts.preprocessing is None and card is None and not is_known(facts.id):
            raise ValueError(
                f"{name}: its record does not say how the images of {facts.id} were prepared; expected their "
                "card (--card CARD.toml) or their folder (--data FOLDER)"
            )
        if facts.preprocessing is None:
            card = card or load_card(facts.id)
            if (card.classes, len(card.modality)) != (task.classes, task.channels):
                raise ValueError(
                    f"{name}: expected the card of data with {task.channels} channels and the classes "
                    f"{', '.join(task.classes)}, got {card.id}: {len(card.modality)} channels and "
                    f"{', '.join(card.classes)}"
                )
        found = cls(
            data=facts.id,
            channels=card.modality if card else facts.channels,
            classes=task.classes,
            spatial_dims=task.spatial_dims,
            how=card.preprocessing if card else facts.preprocessing,  # type: ignore[arg-type]
            values=card.values if card else facts.values,
            voxel_mm=card.voxel_mm if card else facts.voxel_mm,
            thinned=facts.thinned,
            spacing=task.spacing,
        )
        found._require_consistent(task.channels, name)
        return found

    def _require_consistent(self, channels: int, name: str) -> None:
        """Check that what a record, which may be a stranger's, says of its images fits together."""
        if len(self.channels) != channels:
            raise ValueError(f"{name}: expected names of {channels} channels, got {list(self.channels)}")
        if self.values and (
            len(set(self.values)) != len(self.classes) or not all(0 <= v < 2**32 for v in self.values)
        ):
            raise ValueError(
                f"{name}: expected a value of 0 or more for each of {len(self.classes)} classes, got "
                f"{str(list(self.values))[:200]}"
            )
        edges = {
            "spacing": self.how.spacing,
            "crop": self.how.crop,
            "voxel_mm": self.voxel_mm,
            "thinned": self.thinned,
            "the median spacing": self.spacing,
        }
        for what, each in edges.items():
            if each and (len(each) != self.spatial_dims or not min(each) > 0):
                raise ValueError(
                    f"{name}: expected {self.spatial_dims} positive numbers as {what}, got {list(each)}"
                )

    def of_slices(self, plane: int = 0) -> "AsTrained":
        """The same of single slices, where the training's images were volumes."""
        axis = (self.how.slice_axis + plane) % 3

        def without(edges: tuple[Any, ...]) -> tuple[Any, ...]:
            return edges[:axis] + edges[axis + 1 :]

        how = {
            "spacing": self.how.spacing and without(self.how.spacing),
            "crop": self.how.crop and without(self.how.crop),
        }
        return replace(
            self,
            spatial_dims=2,
            how=self.how.model_copy(update=how),
            voxel_mm=self.voxel_mm and without(self.voxel_mm),
            thinned=without(self.thinned),
            spacing=without(self.spacing),
        )

    def shapes(
        self, shape: Sequence[int], spacing: tuple[float, ...] | None, name: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shape after resampling, and after thinning, too, of an image of this shape and spacing.

        Raises:
            ValueError: naming the image, if it cannot be resampled.
        """
        target, resampled = self.how.spacing, tuple(shape)
        if target is not None and spacing != target:
            if spacing is None:
                raise ValueError(
                    f"{name}: expected a known spacing, to resample to the training's {by(target)} mm, "
                    "got none"
                )
            resampled = resampled_shape(resampled, spacing, target)
            if prod(resampled) > MAX_VOXELS:
                raise ValueError(
                    f"{name}: expected at most {MAX_VOXELS} voxels of {by(target)} mm, got {resampled} from "
                    f"a spacing of {by(spacing)} mm"
                )
        steps = self.thinned or (1,) * len(resampled)
        return resampled, tuple(-(-n // k) for n, k in zip(resampled, steps, strict=True))

    def prepared(self, image: Tensor, spacing: tuple[float, ...] | None, name: str) -> Tensor:
        """An image as the learner expects it.

        As `medseg_lab.data.preprocess.prepare` does, but for a crop: the whole image is kept, and the middle
        that a training would have kept gives mean and standard deviation.

        Args:
            image: `(C, *S)`, float32.
            spacing: mm along each axis of S, or None.
            name: for errors.

        Raises:
            ValueError: naming the image, if it cannot be resampled, or is constant.
        """
        resampled, _ = self.shapes(image.shape[1:], spacing, name)
        if self.how.spacing is not None and spacing != self.how.spacing:
            image = resample(image, resampled)
        if self.how.crop is None:
            image = zscore(image, name)
        else:
            kept = middle(image, self.how.crop)
            zscore(kept, name)  # raises where it is constant
            image = standardised(image, *statistics(kept))
        steps = self.thinned or (1,) * len(resampled)
        return image[:, *(slice(None, None, step) for step in steps)].contiguous()

    def back(self, maps: Tensor, shape: Sequence[int], resampled: Sequence[int]) -> Tensor:
        """Maps of a prepared image `(M, *)` on the image's own grid, `(M, *S)`, linearly.

        Args:
            maps: float32.
            shape: S.
            resampled: the shape after resampling, as `shapes` gives it.
        """
        if max(self.thinned, default=1) > 1:
            maps = _widened(maps, self.thinned, resampled)
        return maps if maps.shape[1:] == tuple(shape) else resample(maps, tuple(shape))

    def warnings(self, spacing: tuple[float, ...] | None) -> list[str]:
        """What makes an image of this spacing unlike those of the training, in a sentence each."""
        if not self.spacing or self.how.spacing is not None:
            return []
        steps = self.thinned or (1,) * len(self.spacing)
        trained = tuple(edge / k for edge, k in zip(self.spacing, steps, strict=True))
        if spacing is None:
            return [f"its spacing is not known; the training's was {by(trained)} mm"]
        ratios = [max(a / b, b / a) for a, b in zip(spacing, trained, strict=True)]
        if max(ratios) < FAR:
            return []
        return [f"its spacing, {by(spacing)} mm, is far from the training's, {by(trained)} mm"]


def card_at(path: Path) -> Card:
    """The card in a file, or of a folder.

    Raises:
        ValueError: if there is none.
    """
    return folder_card(path) if path.is_dir() else written_card(path)


def statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of `(C, *S)`, float64; of a constant channel 1."""
    values = image.flatten(1).double()
    std = values.std(1, correction=0)
    return values.mean(1), std.where(std > 0, 1.0)


def standardised(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """`(C, *S)` less the mean, over the standard deviation of each channel; float32, computed in float64."""
    wide = (-1, *[1] * (image.ndim - 1))
    return ((image.double() - mean.view(wide)) / std.view(wide)).float()


def rows_of(maps: Tensor, first: float, shape: Sequence[int], positions: Tensor) -> Tensor:
    """Rows of maps, interpolated linearly: some along the first axis, all along the others.

    Args:
        maps: `(M, rows, *rest)`.
        first: the position of the first of these rows.
        shape: how many voxels there are to be along the other axes.
        positions: of the rows that are asked for, float64, within those of the maps.

    Returns:
        `(M, len(positions), *shape)`.
    """
    if maps.shape[2:] != tuple(shape):
        rows = maps.movedim(1, 0)
        flat = F.interpolate(rows, size=tuple(shape), mode=LINEAR[len(shape)], align_corners=False)
        maps = flat.movedim(0, 1)
    place = positions - first
    low = place.floor().long().clamp(0, maps.shape[1] - 1)
    high = (low + 1).clamp(max=maps.shape[1] - 1)
    share = (place - low).to(maps.dtype).view(-1, *[1] * len(shape))
    return torch.lerp(maps[:, low], maps[:, high], share)


def positions(size: int, before: int) -> Tensor:
    """Where the voxels of an axis of `size` lie on one of `before` voxels over the same length, float64."""
    places = (torch.arange(size, dtype=torch.float64) + 0.5) * (before / size) - 0.5
    return places.clamp(0, before - 1)


def _widened(maps: Tensor, steps: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Maps of every k-th voxel, from the first on, at all voxels: linear between, and the last one on."""
    for axis, (k, size) in enumerate(zip(steps, shape, strict=True), start=1):
        place = (torch.arange(size, dtype=torch.float64) / k).clamp(max=maps.shape[axis] - 1)
        moved = maps.movedim(axis, 1)
        maps = rows_of(moved, 0, moved.shape[2:], place.to(maps.device)).movedim(1, axis)
    return maps
