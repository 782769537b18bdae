"""What the draft of a card needs to know of a case."""

from dataclasses import dataclass

import numpy as np

from medseg_lab.data.case import Case
from medseg_lab.data.fingerprint import content_digest
from medseg_lab.data.readers.reader import Raw


@dataclass(frozen=True)
class CaseSummary:
    """One case: shape, spacing in mm, voxels by label value, and the range of its intensities.

    Args:
        digest: SHA-256 of the prepared image.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    counts: dict[int, int]
    low: float
    high: float
    digest: str


def summary(raw: Raw, case: Case) -> CaseSummary:
    """What is to be known of a case, as its files hold it and as it is prepared for training."""
    values, counts = np.unique(raw.labels, return_counts=True)
    by_value = {int(v): int(n) for v, n in zip(values, counts, strict=True)}
    low, high = float(raw.image.min()), float(raw.image.max())
    return CaseSummary(raw.image.shape[1:], raw.spacing, by_value, low, high, content_digest(case.image))
