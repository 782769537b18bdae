"""What files of one's own hold, as the card reads it: channels, class labels, and the size of a voxel."""

from pathlib import Path

import numpy as np

from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE
from medseg_lab.data.readers.checks import whole_labels

SAME = 0.01
"""A file's spacing and the card's may differ by this share: rounding, no more."""

Edges = tuple[float, ...] | None
"""mm along each axis; None where it is not known."""

CURE = "; `values` in card.toml says what others stand for: `medseg data add` proposes it"


def as_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """`(C, *S)` with so many channels, where a picture in grey is to be one in colour or is stored as one.

    Grey is red, green and blue in equal parts. Any other picture is returned as it is.
    """
    if (len(picture), channels) == (1, 3):
        return np.repeat(picture, 3, axis=0)
    if (len(picture), channels) == (3, 1) and is_grey(picture):
        return picture[:1]
    return picture


def is_grey(picture: np.ndarray) -> bool:
    """Whether all channels of `(C, *S)` are equal."""
    return bool((picture == picture[:1]).all())


def class_labels(label: np.ndarray, card: Card, path: Path, unknown: int | None = None) -> np.ndarray:
    """A mask's values as labels 0 to K - 1, uint8, `unknown` as `IGNORE`: indices of the card's `values`.

    A mask of one bit a pixel stores no values: False is the first class, True the second.

    Raises:
        ValueError: naming the file, for a value that stands for nothing.
    """
    if not card.values:
        return whole_labels(label, len(card.classes), path, unknown, cure=CURE)
    if label.dtype == bool and len(card.values) == 2:
        return label.astype(np.uint8)
    found = np.unique(label)
    allowed = [*card.values, *([] if unknown is None else [unknown])]
    if not np.isin(found, allowed).all():
        known = ", ".join(map(str, allowed))
        raise ValueError(f"{path}: expected the values {known} of the card, got {found[:10].tolist()}")
    labels = np.full(label.shape, IGNORE, np.uint8)
    for index, value in enumerate(card.values):
        labels[label == value] = index
    return labels


def voxel_size(image: Edges, mask: Edges, card: Card, path: Path) -> Edges:
    """mm along each axis: what the mask's file states, else the image's, else the card's `voxel_mm`.

    Raises:
        ValueError: naming the image's `path`, if two of them contradict one another.
    """
    for other, whose in ((mask, "its mask's spacing"), (card.voxel_mm, "the card's voxel_mm")):
        if image and other and not np.allclose(image, other, rtol=SAME, atol=0):
            raise ValueError(f"{path}: expected {whose} {other}, got {image} in the file")
    return mask or image or card.voxel_mm
