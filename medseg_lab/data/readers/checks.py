"""What every reader checks: the names of files, and the arrays in them.

What is wrong raises a `ValueError` that names the file, what was expected and what was found.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE

ROUNDING = 1e-4
"""Labels may be so far from a whole number: scaled ones come back as 2.9999999993."""


def visible(folder: Path, pattern: str) -> list[Path]:
    """The paths below `folder` that match, sorted, without the `._` copies that macOS leaves in archives."""
    found = folder.glob(pattern) if folder.is_dir() else ()
    return sorted(path for path in found if not path.name.startswith("."))


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Paths by the name that each has, sorted by name; two of one name are refused."""
    found: dict[str, Path] = {}
    for name, path in named:
        if name in found:
            raise ValueError(f"{path}: expected one file of {name}, got also {found[name]}")
        found[name] = path
    return dict(sorted(found.items()))


def require_pairs(images: Mapping[str, Path], labels: Mapping[str, Path], what: str) -> None:
    """Check that every image has its label and the other way round."""
    for case in sorted(set(images) ^ set(labels)):
        if case in images:
            raise ValueError(f"{images[case]}: its {what} is missing")
        raise ValueError(f"{labels[case]}: the image of this {what} is missing")


def patient_of(case: str, card: Card) -> str:
    """Whose case this is, by the card's `patient` expression; the error names the data set."""
    match = re.fullmatch(card.patient, case)
    if match is None or not match[1]:
        raise ValueError(f"data set {card.id}: expected a case id like {card.patient!r}, got {case!r}")
    return match[1]


def require_annotation(annotation: str, known: Iterable[str], where: Path | str) -> None:
    """Check that a reader has this annotation; the error names the known ones."""
    if annotation not in known:
        raise ValueError(f"{where}: expected an annotation of {', '.join(known)}, got {annotation!r}")


def checked_image(image: np.ndarray, path: Path) -> np.ndarray:
    """`(C, *S)` as float32; refused if an entry is not finite or the image is the same everywhere."""
    with np.errstate(over="ignore"):
        image = np.ascontiguousarray(image, dtype=np.float32)
    if not np.isfinite(image).all():
        bad = int((~np.isfinite(image)).sum())
        raise ValueError(f"{path}: expected finite numbers, got {bad} entries that are NaN or infinite")
    if not any(channel.min() < channel.max() for channel in image):
        raise ValueError(f"{path}: expected an image that varies, got the constant {float(image.flat[0])}")
    return image


def whole_labels(
    label: np.ndarray, classes: int, path: Path, unknown: int | None = None, cure: str = ""
) -> np.ndarray:
    """Labels 0 to `classes` - 1 as uint8, `unknown` as `IGNORE`; some are published as floating point.

    Args:
        cure: what to do about other values: the end of the message.

    Raises:
        ValueError: naming the file: other values, or numbers that are not whole (up to `ROUNDING`).
    """
    if label.dtype.kind == "f":
        whole = np.rint(label)
        if not (np.abs(label - whole) <= ROUNDING).all():  # NaN is refused, too
            values = np.unique(label)[:10].tolist()
            scaling = " without scaling (scl_slope 1)" if ".nii" in path.name.lower() else ""
            raise ValueError(
                f"{path}: expected whole label values 0 to {classes - 1}, got {values}: save labels as "
                f"integers{scaling}, and resample them to the nearest neighbour"
            )
        label = whole
    values = np.unique(label)
    allowed = [*range(classes), *([] if unknown is None else [unknown])]
    if not np.isin(values, allowed).all():
        open_value = "" if unknown is None else f", or {unknown} where nobody annotated"
        raise ValueError(
            f"{path}: expected label values 0 to {classes - 1}{open_value}, got {values[:10].tolist()}{cure}"
        )
    if unknown is None or unknown not in values:
        return np.ascontiguousarray(label, dtype=np.uint8)
    return np.where(label == unknown, IGNORE, label).astype(np.uint8)


def binary_mask(mask: np.ndarray, path: Path) -> np.ndarray:
    """A mask of False and True, or of 0 and 255, as 0 and 1."""
    values = np.unique(mask)
    if mask.dtype != bool and not np.isin(values, (0, 255)).all():
        raise ValueError(f"{path}: expected mask values 0 and 255, got {values[:10].tolist()}")
    return (mask > 0).astype(np.uint8)


def require_same_shape(image: tuple[int, ...], label: tuple[int, ...], path: Path) -> None:
    """Check that an image's spatial shape is its label's; `path` is the image's."""
    if image != label:
        raise ValueError(f"{path}: expected the label's shape {label}, got {image}")
