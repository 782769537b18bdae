"""What a file may claim about itself, looked at before memory is taken for it."""

import math
from pathlib import Path

MAX_VOXELS = 2**30
"""No image of this library's world has more: a CT of 512 x 512 pixels would be 4096 slices long."""

DEFLATE = 1032
"""Deflate, the method of gzip, PNG and h5, makes nothing smaller than this share of itself."""

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\x89HDF": "HDF5",
    b"PK": "zip",
    b"\x93NUMPY": "NumPy",
    b"\x80": "pickle",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"<": "HTML or XML",
}
_LENGTHS = {348: "NIfTI-1 or Analyze", 540: "NIfTI-2"}


def size_of(path: Path) -> int:
    """The number of bytes of a file.

    Raises:
        ValueError: if it is absent, empty, or no plain file (a pipe would be waited on for ever).
    """
    if not path.is_file():
        seen = "something that is no plain file" if path.exists() else "no such file"
        raise ValueError(f"{path}: got {seen}, wanted a file")
    if not (size := path.stat().st_size):
        raise ValueError(f"{path}: got an empty file (0 bytes), wanted an image or a label")
    return size


def format_of(start: bytes) -> str:
    """The name of the format whose files begin with these bytes, or the bytes themselves."""
    for length, name in _LENGTHS.items():
        if start[:4] in (length.to_bytes(4, "little"), length.to_bytes(4, "big")):
            return name
    known = (name for magic, name in MAGIC.items() if start.startswith(magic))
    return next(known, f"the first bytes {start[:8].hex() or '(none)'}")


def require_format(path: Path, wanted: str) -> None:
    """See that a file begins as its ending promises.

    Raises:
        ValueError: naming the format that it has instead, where its first bytes tell.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise unreadable(path, error, f"a {wanted} file") from None
    if (seen := format_of(start)) != wanted:
        raise ValueError(f"{path}: got {seen}, wanted a {wanted} file")


def require_plausible(path: Path, shape: tuple[int, ...], itemsize: float, stored: int) -> int:
    """The number of bytes that an array of `shape` takes, once `stored` bytes on disk can hold it.

    Args:
        itemsize: bytes an entry; less than one where bits are packed.

    Raises:
        ValueError: if an axis is empty, or there are more voxels than `MAX_VOXELS` or than deflate can pack.
    """
    voxels = math.prod(shape) if all(n > 0 for n in shape) else 0
    if not 0 < voxels <= MAX_VOXELS:
        raise ValueError(f"{path}: got a header that claims shape {shape}, wanted 1 to {MAX_VOXELS} voxels")
    claimed = math.ceil(voxels * itemsize)
    if claimed > DEFLATE * stored:
        raise ValueError(
            f"{path}: got a header that claims shape {shape}, {claimed} bytes, "
            f"wanted at most {DEFLATE * stored}: {DEFLATE} times the {stored} bytes that are there"
        )
    return claimed


def unreadable(path: Path, error: Exception, wanted: str) -> ValueError:
    """The error that says what a decoder said, in one line."""
    said = " ".join(str(error).replace(str(path), "").split()) or type(error).__name__
    return ValueError(f"{path}: got {said.rstrip('.')}, wanted {wanted}")
