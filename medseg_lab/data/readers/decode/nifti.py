"""NIfTI volumes, read to the last byte.

nibabel stops where the voxels end, and so does not compare a gzip file's checksum; this does.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from nibabel.volumeutils import apply_read_scaling

from medseg_lab.data.readers.decode import file_checks
from medseg_lab.data.readers.decode.nifti_header import Header, parse_header

PIECE = 2**22
"""Bytes that are unpacked at a time."""


def read_header(path: Path) -> Header:
    """The header of a `.nii` or `.nii.gz` file; no voxel is read.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    with _opened(path) as stream:
        return parse_header(path, stream)


def read_nifti(path: Path) -> tuple[np.ndarray, Header]:
    """The voxels, scaled as the header says, and the header.

    Raises:
        ValueError: naming the file: a header that contradicts the file's size, a cut or damaged file, a
            spacing that is no length.
    """
    with _opened(path) as stream:
        header = parse_header(path, stream)
        stream.seek(header.offset)
        stored = np.empty(math.prod(header.shape) * header.dtype.itemsize, np.uint8)
        there = _fill(stored, stream)
        # One more byte is read: gzip compares its checksum at the end, and only there.
        if there < stored.size or stream.read(1):
            found = f"{there} bytes" if there < stored.size else f"more than {stored.size} bytes"
            raise ValueError(
                f"{path}: expected {stored.size} bytes of voxels for shape {header.shape}, got {found}"
            )
    volume = stored.view(header.dtype).reshape(header.shape, order="F")
    with np.errstate(all="ignore"):  # what overflows is not finite, which is refused later
        return apply_read_scaling(volume, *header.scaling), header


def unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or if it is packed a copy in `folder` that is not, checked to the last byte.

    Raises:
        ValueError: as `read_nifti`.
    """
    header = read_header(path)
    if not path.name.lower().endswith(".gz"):
        return path
    there, target = 0, folder / path.name[: -len(".gz")]
    expected = header.offset + math.prod(header.shape) * header.dtype.itemsize
    with _opened(path) as stream, target.open("wb") as copy:
        while piece := stream.read(PIECE):
            there += copy.write(piece)
            if there > expected:
                break
    if there != expected:
        found = f"{there} bytes" if there < expected else f"more than {expected} bytes"
        raise ValueError(f"{path}: expected {expected} bytes for shape {header.shape}, got {found}")
    return target


def mapped(path: Path, header: Header) -> np.ndarray:
    """The voxels of an unpacked file as they are stored, not scaled; only what is looked at is read."""
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, "F")


def _fill(array: np.ndarray, stream: IO[bytes]) -> int:
    """Read bytes into `array` until it is full or the stream ends; memory is used only as they come."""
    there = 0
    while piece := stream.read(min(PIECE, array.size - there)):
        array[there : there + len(piece)] = np.frombuffer(piece, np.uint8)
        there += len(piece)
    return there


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked if packed; a failure becomes one clear error."""
    file_checks.size_of(path)
    try:
        if path.name.lower().endswith(".gz"):
            file_checks.require_format(path, "gzip")
            with gzip.open(path) as stream:
                yield cast(IO[bytes], stream)
        else:
            with path.open("rb") as stream:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise file_checks.unreadable(path, error, "a complete, readable NIfTI volume") from None
