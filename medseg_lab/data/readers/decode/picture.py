"""Pictures, PNG and JPEG, decoded once their size has been looked at and their checksums hold.

Pillow's own classes for the two formats are used in place of `Image.open`, which warns of large pictures
where an error is wanted, and takes any format whatever the file is called. JPEG keeps no checksum: damage
inside it that still decodes cannot be told from a picture.
"""

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from medseg_lab.data.readers.decode import claims

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

BITS = {"1": 1, "I;16": 16}
"""Bits a pixel, where they are not 8 a channel."""

MAX_SCANS = 64
"""A progressive JPEG has about ten; each goes over the whole picture, so that thousands never end."""


def read_picture(path: Path, modes: tuple[str, ...]) -> np.ndarray:
    """The pixels of a `.png` or `.jpg` file: `(H, W)`, or `(H, W, channels)` for colour.

    Args:
        modes: the pixel formats, in Pillow's names, that may be met: `L`, `RGB`, `I;16`, `1`.

    Raises:
        ValueError: naming the file, what was seen and what was wanted.
    """
    size = claims.size_of(path)
    wanted = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    claims.require_format(path, wanted)
    try:
        with path.open("rb") as stream:
            picture = _opened(stream, wanted)
            if picture.mode not in modes:
                raise ValueError(f"{path}: got pixels {picture.mode!r}, wanted {' or '.join(modes)}")
            each = BITS.get(picture.mode, 8 * len(picture.getbands())) / 8
            claims.require_plausible(path, picture.size[::-1], each, size)
            if wanted == "JPEG":
                _require_few_scans(path, stream)
            else:
                # Decoding stops where the pixels end and does not compare the checksums of the chunks.
                picture.verify()
                stream.seek(0)
                picture = _opened(stream, wanted)
            return np.array(picture)
    except ValueError as error:
        raise error if str(error).startswith(f"{path}: got") else _unreadable(path, error, wanted) from None
    except Exception as error:  # what Pillow raises for a damaged file is not bounded
        raise _unreadable(path, error, wanted) from None


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
        raise ValueError(f"{path}: got a JPEG of {scans} scans, wanted at most {MAX_SCANS}")


def _unreadable(path: Path, error: Exception, kind: str) -> ValueError:
    return claims.unreadable(path, error, f"a whole, readable {kind} picture")
