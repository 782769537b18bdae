"""What a data set is, as far as nnU-Net's plan [46] asks: sizes, spacings, and intensities."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.data.case import IGNORE
from medseg_lab.data.describe import WORKERS

if TYPE_CHECKING:
    from medseg_lab.data.card import Card
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.data.readers.reader import Raw, Reader

SAMPLED = 10_000
"""Foreground voxels of a case that are looked at: more change no percentile."""


@dataclass(frozen=True)
class Intensity:
    """Of one channel, over the foreground of all cases: percentiles 0.5 and 99.5, mean and deviation."""

    low: float
    high: float
    mean: float
    std: float


@dataclass(frozen=True)
class DataFingerprint:
    """A data set in numbers.

    Args:
        channels, classes: their names; the background is first.
        shapes: voxels of each case along each axis, `(n, d)`, once empty borders are cut off.
        spacings: mm, `(n, d)`; None where the files lack it.
        kept: the median share of a case's voxels that is left by that cut.
        intensities: of each channel; empty where they were not looked at.
    """

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    shapes: np.ndarray
    spacings: np.ndarray | None = None
    kept: float = 1.0
    intensities: tuple[Intensity, ...] = ()

    @property
    def cases(self) -> int:
        """How many."""
        return len(self.shapes)


def of_equal_cases(
    shape: Sequence[int],
    spacing: Sequence[float] | None,
    cases: int = 100,
    channels: tuple[str, ...] = ("MRI",),
    classes: int = 2,
) -> DataFingerprint:
    """The fingerprint of a data set whose cases all have one shape, in voxels, and one spacing, in mm."""
    names = ("background", *(f"class {k}" for k in range(1, classes)))
    spacings = None if spacing is None else np.tile(spacing, (cases, 1))
    return DataFingerprint(channels, names, np.tile(shape, (cases, 1)), spacings)


def data_fingerprint(
    reader: "Reader", card: "Card", done: Callable[[str], None] | None = None
) -> DataFingerprint:
    """The fingerprint of a data set, read case by case, at most `WORKERS` in memory at once.

    Args:
        reader: of the data set.
        card: names channels and classes.
        done: called with a case's id once it was read.

    Raises:
        ValueError: as the reader does, for the first inconsistent file.
    """

    def one(case: str) -> tuple[tuple[int, ...], tuple[float, ...] | None, float, np.ndarray]:
        raw = reader.read(case)
        shape = inner_shape(raw.image)
        found = shape, raw.spacing, float(np.prod(shape) / raw.image[0].size), _foreground(raw)
        if done is not None:
            done(case)
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        shapes, spacings, kept, values = zip(*pool.map(one, reader.patients()), strict=True)
    return DataFingerprint(
        channels=card.modality,
        classes=card.classes,
        shapes=np.array(shapes),
        spacings=None if None in spacings else np.array(spacings),
        kept=float(np.median(kept)),
        intensities=tuple(map(_intensity, np.concatenate(values, axis=1))),
    )


def cohort_fingerprint(cohort: "Cohort") -> DataFingerprint:
    """The fingerprint of a cohort's training cases as they were prepared: without intensities."""
    cases = (*cohort.labelled, *cohort.unlabelled)
    known = [case.spacing for case in cases if case.spacing is not None]
    return DataFingerprint(
        channels=cohort.card.modality,
        classes=cohort.card.classes,
        shapes=np.array([case.image.shape[1:] for case in cases]),
        spacings=np.array(known) if len(known) == len(cases) else None,
    )


def inner_shape(image: np.ndarray) -> tuple[int, ...]:
    """The shape of the box outside of which every channel of `(C, *S)` is 0; the whole where all is 0."""
    there = np.nonzero(image.any(axis=0))
    shape = image.shape[1:]
    return tuple(int(np.ptp(axis)) + 1 for axis in there) if there[0].size else shape


def _foreground(raw: "Raw") -> np.ndarray:
    """The intensities of at most `SAMPLED` foreground voxels, `(C, n)`, evenly chosen."""
    inside = (raw.labels[0] > 0) & (raw.labels[0] != IGNORE)
    values = raw.image[:, inside]
    return values[:, :: max(1, values.shape[1] // SAMPLED)]


def _intensity(values: np.ndarray) -> Intensity:
    if not values.size:
        return Intensity(0.0, 0.0, 0.0, 0.0)
    low, high = np.percentile(values, [0.5, 99.5])
    wide = values.astype(np.float64)
    return Intensity(float(low), float(high), float(wide.mean()), float(wide.std()))
