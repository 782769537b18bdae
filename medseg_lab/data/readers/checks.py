"""What every reader asks of the arrays that it found in files."""

from pathlib import Path

import numpy as np

from medseg_lab.data.case import IGNORE

AFFINE_MM = 1e-2
"""Image and label may disagree by so much about where a voxel lies: rounding of the header, no more."""


def checked_image(image: np.ndarray, path: Path) -> np.ndarray:
    """`(C, *S)` as float32.

    Raises:
        ValueError: naming the file, for entries that are not finite or an image that is the same everywhere.
    """
    with np.errstate(over="ignore"):
        image = np.ascontiguousarray(image, dtype=np.float32)
    if not np.isfinite(image).all():
        bad = int((~np.isfinite(image)).sum())
        raise ValueError(f"{path}: got {bad} entries that are NaN or infinite, wanted finite numbers")
    if not any(channel.min() < channel.max() for channel in image):
        raise ValueError(f"{path}: got the constant {float(image.flat[0])}, wanted an image that varies")
    return image


def whole_labels(label: np.ndarray, classes: int, path: Path, unknown: int | None = None) -> np.ndarray:
    """Labels as uint8, `unknown` as `IGNORE`; published ones are at times stored as floating point.

    Raises:
        ValueError: naming the file, for a value that is no whole number from 0 to `classes` - 1.
    """
    values = np.unique(label)
    allowed = [*range(classes), *([] if unknown is None else [unknown])]
    if not np.isin(values, allowed).all():
        beside = "" if unknown is None else f", or {unknown} where nobody annotated"
        raise ValueError(
            f"{path}: got label values {values[:10].tolist()}, wanted 0 to {classes - 1}{beside}"
        )
    if unknown is None or unknown not in values:
        return np.ascontiguousarray(label, dtype=np.uint8)
    return np.where(label == unknown, IGNORE, label).astype(np.uint8)


def binary_mask(mask: np.ndarray, path: Path) -> np.ndarray:
    """A mask of False and True, or of 0 and 255, as 0 and 1.

    Raises:
        ValueError: naming the file, for any other value.
    """
    values = np.unique(mask)
    if mask.dtype != bool and not np.isin(values, (0, 255)).all():
        raise ValueError(f"{path}: got mask values {values[:10].tolist()}, wanted 0 and 255")
    return (mask > 0).astype(np.uint8)


def same_shape(image: tuple[int, ...], label: tuple[int, ...], path: Path) -> None:
    """See that an image's spatial shape is its label's.

    Raises:
        ValueError: naming `path`, the image's file.
    """
    if image != label:
        raise ValueError(f"{path}: got shape {image}, wanted the label's, {label}")


def same_affine(image: np.ndarray, label: np.ndarray, path: Path) -> None:
    """See that image and label lie at the same place.

    Raises:
        ValueError: naming `path`, the image's file.
    """
    if not np.allclose(image, label, atol=AFFINE_MM):
        raise ValueError(f"{path}: got the affine {image.tolist()}, wanted the label's, {label.tolist()}")


def known_annotation(annotation: str, known: tuple[str, ...], path: Path) -> None:
    """See that a reader has what is asked for.

    Raises:
        ValueError: naming the case's file and the known annotations.
    """
    if annotation not in known:
        raise ValueError(f"{path}: got the annotation {annotation!r}, wanted one of {', '.join(known)}")
