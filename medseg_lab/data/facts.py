"""What the files of a data set say: how many, how large, how much of each class.

The table `[measured]` of a card holds these facts, so that pages and tables can state them where the files
are not at hand. A test counts them anew where they are.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from medseg_lab.data import splits
from medseg_lab.data.card import Card, Measured
from medseg_lab.data.case import IGNORE
from medseg_lab.data.readers.reader import Raw, Reader

WORKERS = 4
DIGITS = 4


@dataclass(frozen=True)
class CaseFacts:
    """One case: shape in voxels, spacing in mm or None, and the share of each class `(K,)`."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    shares: np.ndarray


def facts(
    reader: Reader, card: Card, sources: str = "", done: Callable[[str], None] | None = None
) -> Measured:
    """The facts of a whole data set, read case by case: at most four cases are in memory at once.

    Shares are means over the cases, each counting alike, of the share of a case's voxels; where there are
    several raters, of the mean over the raters. Voxels that nobody annotated (`IGNORE`) are left out. Sizes
    are of the files' grid, before any resampling. Numbers are rounded to four significant digits.

    Args:
        sources: which copy of the data set this is, in words.
        done: called with a case's id once it was read.

    Raises:
        ValueError: as the reader does, for the first file at fault.
    """
    whose = reader.patients()

    def one(case: str) -> CaseFacts:
        found = case_facts(reader.read(case), len(card.classes))
        if done is not None:
            done(case)
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        every = list(pool.map(one, whose))
    shapes = np.array([case.shape for case in every])
    spacings = [case.spacing for case in every if case.spacing is not None]
    shares = np.nanmean([case.shares for case in every], axis=0)
    return Measured(
        cases=len(every),
        patients=len(set(whose.values())),
        shape=_spread(shapes),
        spacing=_spread(np.array(spacings)) if len(spacings) == len(every) else None,
        shares={name: _rounded(share) for name, share in zip(card.classes, shares, strict=True)},
        sources=sources,
    )


def case_facts(raw: Raw, classes: int) -> CaseFacts:
    """The facts of one case; its shares are NaN where nothing is annotated."""
    readings = []
    for reading in raw.labels:
        counts = np.bincount(reading.ravel(), minlength=IGNORE + 1)[:classes]
        if counts.sum():
            readings.append(counts / counts.sum())
    shares = np.mean(readings, axis=0) if readings else np.full(classes, np.nan)
    return CaseFacts(raw.image.shape[1:], raw.spacing, shares)


def part_sizes(card: Card, patients: dict[str, str] | int) -> dict[str, tuple[int, int | None]]:
    """Patients and cases of each part under the card's shares and `split_seed` 0, in the order of use.

    Args:
        patients: the patient of every case (`Reader.patients`), or, where the files are not at hand, how
            many patients there are: the number of each part depends on that alone, and cases are None.

    Raises:
        ValueError: if there are too few patients for every part to have one.
    """
    if isinstance(patients, int):
        split = splits.split(tuple(map(str, range(patients))), card.parts)
    else:
        split = splits.split(splits.shuffled(patients.values(), 0), card.parts)
    per_patient = None if isinstance(patients, int) else Counter(patients.values())
    return {
        name: (len(part), None if per_patient is None else sum(per_patient[p] for p in part))
        for name, part in (("train", split.train), ("validation", split.validation), ("test", split.test))
    }


def _spread(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """The smallest, the median and the largest value of each column."""
    lowest, median, largest = (tuple(map(_rounded, f(values, axis=0))) for f in (np.min, np.median, np.max))
    return lowest, median, largest


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
