"""The spread among the readings of several raters (section 4.2, figure 20).

Joskowicz et al. [86] describe readings of one structure by the range from what all raters mark to what any
rater marks, and by the spread of the volumes. The Dice of all pairs is customary, and added here.

An empty reading is an answer: on LIDC it means "not marked". With one empty reading there is no consensus,
and all that the others mark is contested.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from medseg_lab.data.case import IGNORE


@dataclass(frozen=True)
class Bounds:
    """An inner and an outer outline of a structure: the variability range of Joskowicz et al. [86].

    Args:
        consensus: `(*S)`, booleans: what certainly belongs to the structure.
        possible: `(*S)`, booleans: what possibly belongs to it, consensus included.
        voxel: the size of a voxel in `unit`.
        unit: "ml", or "mm²" in two dimensions; "voxels" or "pixels" where the spacing is not known.
    """

    consensus: Tensor
    possible: Tensor
    voxel: float
    unit: str

    @property
    def range(self) -> Tensor:
        """`(*S)`, booleans: what is possible but not consensus."""
        return self.possible & ~self.consensus

    @property
    def interval(self) -> tuple[float, float]:
        """The volumes of `consensus` and `possible`, in `unit`."""
        return int(self.consensus.sum()) * self.voxel, int(self.possible.sum()) * self.voxel


@dataclass(frozen=True)
class Variability(Bounds):
    """How R readings of one structure differ: consensus is what all mark, possible what any rater marks.

    Args:
        consensus, possible, voxel, unit: as in `Bounds`.
        masks: `(R, *S)`, booleans: what each rater marks.
    """

    masks: Tensor

    @cached_property
    def volumes(self) -> Tensor:
        """`(R,)`, float64: the volume of each reading, in `unit`."""
        return self.masks.flatten(1).sum(dim=1).double() * self.voxel

    @property
    def relative_range(self) -> float:
        """The range's volume over the mean volume of a reading; 0 where all are empty.

        The maximum is R, for R readings without overlap.
        """
        low, high = self.interval
        return self._relative(high - low)

    @property
    def volume_range(self) -> float:
        """The largest volume minus the smallest, over their mean; 0 where all are empty."""
        return self._relative(float(self.volumes.max() - self.volumes.min()))

    @property
    def volume_deviation(self) -> float:
        """The volumes' standard deviation (divided by R) over their mean; 0 where all are empty."""
        return self._relative(float(self.volumes.std(correction=0)))

    @cached_property
    def dice(self) -> Tensor:
        """`(R(R-1)/2,)`, float64: Dice of each pair, in the order 01, 02, ..., 12; 1 if both are empty."""
        return pairwise_dice(self.masks)

    @property
    def mean_dice(self) -> float:
        """The mean over the pairs."""
        return float(self.dice.mean())

    def _relative(self, volume: float) -> float:
        mean = float(self.volumes.mean())
        return volume / mean if mean > 0 else 0.0


def variability(
    readings: Tensor, marked: int | Collection[int] = 1, spacing: Sequence[float] | None = None
) -> Variability:
    """The spread among the readings of one class, or of a region made of several.

    Args:
        readings: `(R, *S)`, class indices, of two raters or more. A voxel that any of them left open
            (`IGNORE`) is in no mask: there they cannot be compared.
        marked: the class, or the classes of the region (`Card.regions`).
        spacing: millimetres along each axis of S, or None where it is not known.

    Raises:
        ValueError: for fewer than two readings, or a spacing of another number of axes.
    """
    if len(readings) < 2:
        raise ValueError(f"readings: expected two or more, got {len(readings)}")
    classes = [marked] if isinstance(marked, int) else sorted(marked)
    masks = torch.isin(readings, torch.tensor(classes, device=readings.device))
    masks &= (readings != IGNORE).all(dim=0)
    return Variability(masks.all(dim=0), masks.any(dim=0), *voxel_size(readings.ndim - 1, spacing), masks)


def pairwise_dice(masks: Tensor) -> Tensor:
    """Dice of each pair of R masks `(R, *S)`: `(R(R-1)/2,)`, float64; 1 if both are empty."""
    flat = masks.flatten(1)
    flat = flat[:, flat.any(dim=0)].double()  # voxels that no mask holds change no count
    shared = flat @ flat.T
    sizes = shared.diagonal()
    first, second = torch.triu_indices(len(masks), len(masks), offset=1, device=masks.device)
    total = sizes[first] + sizes[second]
    return torch.where(total > 0, 2 * shared[first, second] / total.clamp(min=1), 1.0)


def voxel_size(axes: int, spacing: Sequence[float] | None) -> tuple[float, str]:
    """The size of a voxel, and its unit.

    Raises:
        ValueError: for a spacing of another number of axes.
    """
    if spacing is None:
        return 1.0, "pixels" if axes == 2 else "voxels"
    if len(spacing) != axes:
        raise ValueError(f"spacing: expected {axes} values, got {tuple(spacing)}")
    return (prod(spacing) / 1000, "ml") if axes == 3 else (prod(spacing), "mm²" if axes == 2 else "mm")
