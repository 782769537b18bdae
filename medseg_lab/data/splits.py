"""Splits by patient: nested in the number of labels, stable under capping.

Patients are put in the order of a hash of (seed, patient). The part of the i-th patient depends on i alone:
it is the part that is furthest below its share. So the parts of fewer patients are prefixes of the parts
of more, the first n labelled patients are among the first n + 1, and adding a patient moves at most those
that follow it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a key that follows splits does not follow cards
    from medseg_lab.data.card import Parts


@dataclass(frozen=True)
class Split:
    """Patients by part.

    Raises:
        ValueError: if a patient is in two.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        part_of: dict[str, str] = {}
        for part in ("train", "validation", "test"):
            for patient in getattr(self, part):
                if part_of.setdefault(patient, part) != part:
                    raise ValueError(
                        f"patient {patient}: expected in one part only, got {part_of[patient]} and {part}"
                    )

    def labelled(self, n: int | None, draw: int = 0) -> tuple[str, ...]:
        """`n` training patients: those whose labels a method may use; all of them for None.

        Args:
            n: how many; in one draw, the fewer are among the more.
            draw: 0 takes the first ones; any other number puts the training patients in another order.

        Raises:
            ValueError: unless 1 <= n <= the number of training patients.
        """
        if n is not None and not 1 <= n <= len(self.train):
            raise ValueError(f"labelled: expected 1 to {len(self.train)} patients, got {n}")
        return (shuffled(self.train, f"draw {draw}") if draw else self.train)[:n]


def shuffled(patients: Iterable[str], seed: int | str) -> tuple[str, ...]:
    """Each patient once, in the order of the hash of (seed, patient), whatever other patients there are."""
    return tuple(sorted(set(patients), key=lambda p: (hashlib.sha256(f"{seed}:{p}".encode()).digest(), p)))


def split(order: tuple[str, ...], shares: "Parts") -> Split:
    """Deal the patients, in their `shuffled` order, to training, validation and test.

    Raises:
        ValueError: if there are too few for every part to have one.
    """
    parts = _dealt(order, shares)
    if not all(parts.values()):
        raise ValueError(
            f"split: expected {fewest(shares)} patients or more, one for each of {', '.join(parts)}, "
            f"got {len(order)}"
        )
    return Split(**{part: tuple(members) for part, members in parts.items()})


@cache
def fewest(shares: "Parts") -> int:
    """The smallest number of patients with which every part gets one."""
    return next(n for n in count(3) if all(_dealt(tuple(map(str, range(n))), shares).values()))


def _dealt(order: tuple[str, ...], shares: "Parts") -> dict[str, list[str]]:
    wanted = {"test": _exact(shares.test), "validation": _exact(shares.validation)}
    wanted["train"] = 1 - wanted["test"] - wanted["validation"]
    parts: dict[str, list[str]] = {"test": [], "validation": [], "train": []}
    for i, patient in enumerate(order, start=1):
        # Of equals the first wins, so that five patients are enough at the usual shares.
        behind = max(parts, key=lambda part: wanted[part] * i - len(parts[part]))
        parts[behind].append(patient)
    return parts


def _exact(share: float) -> Fraction:
    return Fraction(share).limit_denominator(10_000)
