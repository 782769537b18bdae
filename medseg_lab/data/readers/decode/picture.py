"""Pictures, PNG and JPEG, decoded once their size is plausible and their checksums are right.

Pillow's own classes for the two formats are used in place of `Image.open`, which only warns of large pictures
and accepts any format whatever the file is called. JPEG has no checksum: damage that still decodes is not
found.
"""

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from medseg_lab.data.readers.decode import file_checks

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

BITS = {"1": 1, "I;16": 16}
"""Bits a pixel, where they are not 8 a channel."""

MAX_SCANS = 64
"""A progressive JPEG has about ten; each takes as long as the whole picture, so thousands would never end."""


def read_picture(path: Path, modes: tuple[str, ...]) -> np.ndarray:
    """The pixels of a `.png` or `.jpg` file: `(H, W)`, or `(H, W, channels)` for colour.

    Args:
        modes: the pixel formats that are accepted, in Pillow's names: `L`, `RGB`, `I;16`, `1`.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    size = file_checks.size_of(path)
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    file_checks.require_format(path, kind)
    try:
        with path.open("rb") as stream:
            picture = _opened(stream, kind)
            if picture.mode not in modes:
                raise ValueError(f"{path}: expected pixels {' or '.join(modes)}, got {picture.mode!r}")
            each = BITS.get(picture.mode, 8 * len(picture.getbands())) / 8
            file_checks.require_plausible(path, picture.size[::-1], each, size)
            if kind == "JPEG":
                _require_few_scans(path, stream)
            else:
                # Decoding stops where the pixels end and does not compare the checksums of the chunks.
                picture.verify()
                stream.seek(0)
                picture = _opened(stream, kind)
            return np.array(picture)
    except ValueError as error:
        raise (
            error if str(error).startswith(f"{path}: expected") else _unreadable(path, error, kind)
        ) from None
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise _unreadable(path, error, kind) from None


def _opened(stream: IO[bytes], kind: str) -> "ImageFile":
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    return (PngImageFile if kind == "PNG" else JpegImageFile)(stream)


def _require_few_scans(path: Path, stream: IO[bytes]) -> None:
    at = stream.tell()
    stream.seek(0)
    scans = stream.read().count(b"\xff\xda")
    stream.seek(at)
    if scans > MAX_SCANS:
        raise ValueError(f"{path}: expected a JPEG of at most {MAX_SCANS} scans, got {scans}")


def _unreadable(path: Path, error: Exception, kind: str) -> ValueError:
    return file_checks.unreadable(path, error, f"a complete, readable {kind} picture")
