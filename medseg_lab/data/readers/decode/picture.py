"""Pictures, PNG, JPEG and BMP, decoded once their size is plausible and their checksums are right.

Pillow's own classes for the formats are used in place of `Image.open`, which only warns of large pictures
and accepts any format whatever the file is called. JPEG and BMP have no checksum: damage that still decodes
is not found. Dots per inch, which PNG and JPEG may state, are for printers and say nothing of the size of a
pixel in the body: they are ignored.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from medseg_lab.data.readers.decode import file_checks
from medseg_lab.data.readers.decode.pixels import TURNS, opaque, single, upright

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I")
"""Pillow's names of the pixel formats that have one meaning: grey, grey and colour of 8 bits, palettes."""

BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I": 32}
"""Bits a pixel, where they are not 8 a channel."""

ORIENTATION = 0x0112
"""The EXIF tag of how a camera was held."""

MAX_SCANS = 64
"""A progressive JPEG has about ten; each takes as long as the whole picture, so thousands would never end."""


def read_picture(path: Path, modes: tuple[str, ...]) -> np.ndarray:
    """The pixels of a picture, as stored: `(H, W)`, or `(H, W, channels)` for colour.

    Args:
        modes: the pixel formats that are accepted, in Pillow's names: `L`, `RGB`, `I;16`, `1`.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    with _decoding(path):
        return np.array(_decoded(path, modes))


def read_colours(path: Path) -> np.ndarray:
    """A picture as viewers show it, `(C, H, W)`: one channel of grey, or red, green and blue.

    A palette is looked up, a camera's EXIF rotation is applied, an alpha channel is left out.

    Raises:
        ValueError: naming the file, what was expected and what it holds; pixels that are not opaque, too.
    """
    with _decoding(path):
        picture = _decoded(path, MODES)
        turn = picture.getexif().get(ORIENTATION, 1)
        shown = picture.convert("RGBA") if picture.mode in ("P", "PA") else picture
        pixels = np.atleast_3d(np.array(shown))
        pixels = opaque(path, np.moveaxis(pixels, -1, 0), alpha=pixels.shape[-1] in (2, 4))
        return upright(pixels.astype(np.uint8) if pixels.dtype == bool else pixels, turn)


def read_values(path: Path) -> np.ndarray:
    """A mask's values, `(H, W)`: of a palette the indices; of colours the channel that all are equal to.

    A mask of one bit a pixel is of False and True. A camera's rotation is applied as to images.

    Raises:
        ValueError: as `read_colours`; a JPEG, and one whose channels differ.
    """
    with _decoding(path):
        if KINDS[path.suffix.lower()] == "JPEG":
            raise ValueError(
                f"{path}: expected a mask in PNG, TIFF, BMP or NIfTI, got a JPEG, which changes label values"
            )
        picture = _decoded(path, MODES)
        pixels = np.atleast_3d(np.array(picture))
        pixels = opaque(path, np.moveaxis(pixels, -1, 0), alpha=pixels.shape[-1] in (2, 4))
        return upright(single(path, pixels), picture.getexif().get(ORIENTATION, 1))


def is_turned(path: Path) -> bool:
    """Whether a camera's EXIF tag turns or mirrors the picture.

    Raises:
        ValueError: as `read_colours`.
    """
    with _decoding(path), path.open("rb") as stream:
        picture = _opened(stream, KINDS[path.suffix.lower()])
        return int(picture.getexif().get(ORIENTATION, 1)) in TURNS


def _decoding(path: Path) -> AbstractContextManager[None]:
    return file_checks.decoding(path, f"a complete, readable {KINDS[path.suffix.lower()]} picture")


def _decoded(path: Path, modes: tuple[str, ...]) -> "ImageFile":
    """The picture, loaded, after every check that can be made before."""
    size, kind = file_checks.size_of(path), KINDS[path.suffix.lower()]
    file_checks.require_format(path, kind)
    with path.open("rb") as stream:
        picture = _opened(stream, kind)
        if picture.mode not in modes:
            known = "in grey, RGB or of a palette" if modes is MODES else " or ".join(modes)
            raise ValueError(f"{path}: expected pixels {known}, got {picture.mode!r}")
        each = BITS.get(picture.mode, 8 * len(picture.getbands())) / 8
        file_checks.require_plausible(path, picture.size[::-1], each, size)
        _require_one_frame_of_8_bits(path, picture)
        if kind == "JPEG":
            _require_few_scans(path, stream)
        elif kind == "PNG":
            # Decoding stops where the pixels end and does not compare the checksums of the chunks.
            picture.verify()
            stream.seek(0)
            picture = _opened(stream, kind)
        picture.load()
        return picture


def _opened(stream: IO[bytes], kind: str) -> "ImageFile":
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    known: dict[str, Callable[[IO[bytes]], ImageFile]]
    known = {"PNG": PngImageFile, "JPEG": JpegImageFile, "BMP": BmpImageFile}
    return known[kind](stream)


def _require_one_frame_of_8_bits(path: Path, picture: "ImageFile") -> None:
    if (frames := getattr(picture, "n_frames", 1)) != 1:
        raise ValueError(f"{path}: expected one picture, got an animation of {frames} frames")
    # Pillow drops the lower half of such colours without a word.
    if not picture.mode.startswith("I") and any("16" in str(tile[3]) for tile in picture.tile):
        raise ValueError(
            f"{path}: expected colours of 8 bits a channel, got 16; as an uncompressed TIFF they can be read"
        )


def _require_few_scans(path: Path, stream: IO[bytes]) -> None:
    at = stream.tell()
    stream.seek(0)
    scans = stream.read().count(b"\xff\xda")
    stream.seek(at)
    if scans > MAX_SCANS:
        raise ValueError(f"{path}: expected a JPEG of at most {MAX_SCANS} scans, got {scans}")
