"""The files of a run's folder: those that it wrote, and no others."""

import hashlib
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

LARGEST = {".json": 64_000_000, ".csv": 256_000_000}
"""Bytes of a file at most; what is larger is refused before memory is taken."""
NOT_ITS_OWN = (
    "expected the file that this run wrote, got another: it was changed or damaged, or is of another run; "
    "without its folder the run is made anew"
)
NPY_HEADER = 4096
"""Bytes before the numbers of an array, at most."""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a folder, by its name."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_own(path: Path, expected: str | None) -> None:
    """Check that a file is the one that was written when the run was; None where that is not known.

    Raises:
        ValueError: naming the file, if it is another one.
    """
    if expected and sha256(path) != expected:
        raise ValueError(f"{path}: {NOT_ITS_OWN}")


def require_sizes(archive: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that label maps of these cases unpack to no more than such maps take, before they are unpacked.

    Args:
        archive: a zip of `<case>.npy`.
        shapes: by case.

    Raises:
        ValueError: naming the case; and whatever else is raised for a damaged archive.
    """
    with zipfile.ZipFile(archive) as there:
        for case in shapes.keys() & {name.removesuffix(".npy") for name in there.namelist()}:
            most = math.prod(shapes[case]) + NPY_HEADER
            with there.open(f"{case}.npy") as stream:
                version = np.lib.format.read_magic(stream)
                read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version)
                claimed = math.prod(read(stream)[0]) if read else None
            if claimed is None or max(claimed, there.getinfo(f"{case}.npy").file_size) > most:
                raise ValueError(f"{case}: expected {shapes[case]}, got a larger one")


def content(path: Path) -> bytes:
    """The bytes of a file that is as large as such files are.

    Raises:
        ValueError: for a larger one.
    """
    most = LARGEST[path.suffix]
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path}: expected at most {most:,} bytes, got {size:,}")
    return path.read_bytes()
