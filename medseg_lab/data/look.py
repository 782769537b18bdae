"""What was seen in a folder of one's own."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.readers.listing import patient_of


@dataclass(frozen=True)
class Seen:
    """One case: shape, spacing in mm, voxels by label value, and the range of its intensities."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    counts: dict[int, int]
    low: float
    high: float


@dataclass(frozen=True)
class Look:
    """A folder looked over.

    Args:
        folder: where.
        card: what its files say of it, with the guessed `patient` expression.
        patient_rule: the guess in words.
        seen: by case, those that could be read.
        doubts: what looks wrong: where, and what.
    """

    folder: Path
    card: Card
    patient_rule: str
    seen: dict[str, Seen]
    doubts: list[tuple[str, str]] = field(default_factory=list)

    def groups(self) -> list[tuple[str, str]]:
        """Each patient's cases, where any patient has several; else nothing."""
        whose = defaultdict(list)
        for case in self.seen:
            whose[patient_of(case, self.card)].append(case)
        if all(len(cases) == 1 for cases in whose.values()):
            return []
        return [(patient, ", ".join(cases)) for patient, cases in sorted(whose.items())]

    def rows(self) -> list[tuple[str, str]]:
        """What was seen, line by line."""
        cases = list(self.seen.values())
        counts = Counter[int]()
        for case in cases:
            counts.update(case.counts)
        total = sum(counts.values()) or 1
        labels = [
            f"{value} {name}: {100 * counts[value] / total:.3g}% of all voxels, "
            f"in {sum(case.counts.get(value, 0) > 0 for case in cases)} cases"
            for value, name in enumerate(self.card.classes)
        ]
        spacings = [case.spacing for case in cases if case.spacing is not None]
        return [
            ("cases", f"{len(cases)} read"),
            ("channels", ", ".join(self.card.modality)),
            ("size in voxels", _range([case.shape for case in cases])),
            ("spacing in mm", _range(spacings) if spacings else "not given"),
            ("labels", "\n".join(labels)),
            ("darkest voxel", _range([(case.low,) for case in cases])),
            ("brightest voxel", _range([(case.high,) for case in cases])),
        ]


def numbers(values: Iterable[float]) -> str:
    """`1 x 1 x 2.5`."""
    return " x ".join(f"{value:.4g}" for value in values)


def _range(rows: Iterable[Iterable[float]]) -> str:
    values = np.array([tuple(row) for row in rows])
    low, median, high = (numbers(f(values, axis=0)) for f in (np.min, np.median, np.max))
    return median if low == high else f"{median} (median; {low} to {high})"
