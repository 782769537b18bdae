"""What every reader asks of the names of files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from medseg_lab.data.card import Card


def visible(folder: Path, pattern: str) -> list[Path]:
    """The paths below `folder` that match, sorted, without the `._` twins that macOS leaves in archives."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.glob(pattern) if not p.name.startswith("."))


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Paths by the name that each has, sorted by name.

    Raises:
        ValueError: if two have the same name.
    """
    found: dict[str, Path] = {}
    for name, path in named:
        if name in found:
            raise ValueError(f"{path}: got a second file of {name}, wanted {found[name]} alone")
        found[name] = path
    return dict(sorted(found.items()))


def require_pairs(images: Mapping[str, Path], labels: Mapping[str, Path], what: str) -> None:
    """See that every image has its label and the other way round.

    Raises:
        ValueError: naming the file whose other half is missing.
    """
    for case in sorted(set(images) ^ set(labels)):
        if case in images:
            raise ValueError(f"{images[case]}: got an image without its {what}, wanted both")
        raise ValueError(f"{labels[case]}: got a {what} without its image, wanted both")


def patients_of(cases: Mapping[str, Path], card: Card) -> dict[str, str]:
    """The patient of every case; the paths are for the error.

    Raises:
        ValueError: naming the file of a case whose id does not match the card's `patient` expression.
    """
    whose = {}
    for case, path in cases.items():
        try:
            whose[case] = patient_of(case, card)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return whose


def patient_of(case: str, card: Card) -> str:
    """Whose case this is, by the card's `patient` expression.

    Raises:
        ValueError: if the expression does not match.
    """
    match = re.fullmatch(card.patient, case)
    if match is None or not match[1]:
        raise ValueError(f"data set {card.id}: got the case {case!r}, wanted an id like {card.patient!r}")
    return match[1]
