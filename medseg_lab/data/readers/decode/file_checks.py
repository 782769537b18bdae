"""What a file may claim about itself, checked before memory is allocated for it.

What is wrong raises a `ValueError` that names the file, what was expected and what was found.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_VOXELS = 2**30
"""More than any image has: a CT of 512 x 512 pixels would have 4096 slices."""

DEFLATE = 1032
"""Deflate, the method of gzip, PNG and h5, makes nothing smaller than 1 / 1032 of its size."""

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
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"<": "HTML or XML",
}
_LENGTHS = {348: "NIfTI-1 or Analyze", 540: "NIfTI-2"}


def size_of(path: Path) -> int:
    """The number of bytes of a file, which must be neither missing nor empty nor a pipe."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "something else" if path.exists() else "no such file"
        raise ValueError(f"{path}: expected a plain file, got {found}")
    if not (size := path.stat().st_size):
        raise ValueError(f"{path}: expected an image or a label, got an empty file (0 bytes)")
    return size


def format_of(start: bytes) -> str:
    """The name of the format whose files begin with these bytes, or the bytes themselves."""
    for length, name in _LENGTHS.items():
        if start[:4] in (length.to_bytes(4, "little"), length.to_bytes(4, "big")):
            return name
    known = (name for magic, name in MAGIC.items() if start.startswith(magic))
    return next(known, f"the first bytes {start[:8].hex() or '(none)'}")


def require_format(path: Path, expected: str) -> None:
    """Check that a file has the format of its ending; the error names the one that it has."""
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise unreadable(path, error, f"a {expected} file") from None
    if (found := format_of(start)) != expected:
        raise ValueError(f"{path}: expected a {expected} file, got {found}")


def require_plausible(path: Path, shape: tuple[int, ...], itemsize: float, stored: int) -> int:
    """The number of bytes of an array of `shape`, checked against the `stored` bytes on disk.

    No axis may be empty, and there may be no more voxels than `MAX_VOXELS` or than deflate can pack.
    `itemsize` is bytes an entry, less than one where bits are packed.
    """
    voxels = math.prod(shape) if all(n > 0 for n in shape) else 0
    if not 0 < voxels <= MAX_VOXELS:
        raise ValueError(f"{path}: expected 1 to {MAX_VOXELS} voxels, got a header that claims shape {shape}")
    claimed = math.ceil(voxels * itemsize)
    if claimed > DEFLATE * stored:
        raise ValueError(
            f"{path}: expected at most {DEFLATE * stored} bytes ({DEFLATE} times the {stored} of the file), "
            f"got a header that claims shape {shape}, {claimed} bytes"
        )
    return claimed


def unreadable(path: Path, error: Exception, expected: str) -> ValueError:
    """A decoder's error, in one line."""
    message = " ".join(str(error).replace(str(path), "").split()) or type(error).__name__
    return ValueError(f"{path}: expected {expected}, got the error: {message.rstrip('.')}")


@contextmanager
def decoding(path: Path, expected: str) -> Iterator[None]:
    """Whatever a decoder raises inside becomes one error that names the file; our own pass unchanged."""
    try:
        yield
    except Exception as error:  # decoders raise many kinds for a damaged file
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: expected"):
            raise
        raise unreadable(path, error, expected) from None
