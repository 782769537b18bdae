"""Digests of files: of their bytes, of what is inside a gzip, and of a picture's pixels."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

BLOCK = 1 << 20
MAX_UNZIPPED = 1 << 30
"""Bytes that a gzipped volume may hold."""
MAX_PIXELS = 2**26
"""Pixels that a picture may claim to have before it is decoded."""


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def md5(path: Path) -> str:
    """MD5 of a file's bytes: against accidents, not against malice."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of what is in a gzipped file.

    Raises:
        ValueError: if it is damaged, or holds more than `MAX_UNZIPPED` bytes.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as stream:
            while chunk := stream.read(BLOCK):
                digest.update(chunk)
                if (size := size + len(chunk)) > MAX_UNZIPPED:
                    raise ValueError(f"{path}: expected at most {MAX_UNZIPPED} bytes unzipped, got more")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: it cannot be unzipped: {error}") from error
    return digest.hexdigest()


def pixel_digest(path: Path) -> str:
    """SHA-256 of shape, type and values of the pixels: the same whatever compressed the file.

    What is hashed: `256x256 uint16\\n`, then the values, row by row, little-endian.

    Raises:
        ValueError: as `decode`.
    """
    pixels = decode(path)
    shape = "x".join(map(str, pixels.shape))
    values = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{shape} {pixels.dtype.name}\n".encode() + values.tobytes()).hexdigest()


def decode(path: Path) -> np.ndarray:
    """The pixels of a PNG as they are stored: `(row, column)` or `(row, column, channel)`.

    Raises:
        ValueError: if the file is no PNG, is damaged, or claims more than `MAX_PIXELS`.
    """
    from PIL import Image

    try:
        # One format, and a limited size: nothing in a file makes Pillow do more.
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            return np.asarray(picture)
    except Exception as error:  # what Pillow raises for a damaged file is not bounded
        raise ValueError(f"{path}: expected a PNG of at most {MAX_PIXELS} pixels, got {error}") from None
