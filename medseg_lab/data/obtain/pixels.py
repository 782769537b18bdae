"""A picture's checksum by what it shows, for pictures that were written anew."""

import hashlib
from pathlib import Path

import numpy as np

LARGEST = 2**26
"""Pixels that a picture may claim to have before it is decoded."""


def pixel_digest(path: Path) -> str:
    """SHA-256 of shape, type and values of the pixels: the same whatever compressed the file.

    What is hashed: `256x256 uint16\\n`, then the values, row by row, little-endian.

    Raises:
        ValueError: if the file is no picture, or claims to be larger than any that we know.
    """
    pixels = decode(path)
    shape = "x".join(map(str, pixels.shape))
    values = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{shape} {pixels.dtype.name}\n".encode() + values.tobytes()).hexdigest()


def decode(path: Path) -> np.ndarray:
    """The picture's pixels as they are stored: `(row, column)` or `(row, column, channel)`.

    Raises:
        ValueError: as `pixel_digest`.
    """
    from PIL import Image

    try:
        # One format, and no larger than a slide: nothing that a file says makes Pillow do more.
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > LARGEST:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            return np.asarray(picture)
    except Exception as error:
        # Pillow's decoders raise nearly anything on a broken file.
        raise ValueError(f"{path}: got {error}, wanted a PNG of at most {LARGEST} pixels") from None
