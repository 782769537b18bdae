"""The header of a NIfTI file, checked for consistency with itself and with the file's size.

Fields, scaling and affine are read by nibabel, but without its own check, which silently repairs some faults
and reports others on standard error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from medseg_lab.data.readers.decode import file_checks

KINDS = {348: (nib.Nifti1Header, b"n+1\0"), 540: (nib.Nifti2Header, b"n+2\0\r\n\032\n")}
"""By the length that a header states first: its class, and the magic bytes of a file with its own voxels."""

ORDERS: dict[Literal["little", "big"], str] = {"little": "<", "big": ">"}

SPACING_MM = (1e-6, 1e2)
"""Voxel edges from a nanometre to ten centimetres: anything else is a mistake in the header."""

RANGE = f"a spacing of {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm along every axis"

FLAT = 1e-3
"""An affine whose axes span less than this share of the box of their lengths is degenerate."""


@dataclass(frozen=True)
class Header:
    """What a NIfTI file says of its voxels, checked.

    Args:
        shape: (X, Y[, Z[, C]]); axes of length 1 after the third are left out.
        affine: `(4, 4)`, from voxels to mm.
        spacing: mm along x, y, z: the lengths of the affine's columns.
        dtype: as stored.
        offset: where the voxels begin, in bytes.
        scaling: slope and intercept.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    spacing: tuple[float, ...]
    dtype: np.dtype
    offset: int
    scaling: tuple[float, float]


def parse_header(path: Path, stream: IO[bytes]) -> Header:
    """The header at the beginning of `stream`, the unpacked bytes of `path`.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    block = stream.read(348)
    order = next((o for o in ORDERS if int.from_bytes(block[:4], o) in KINDS), None)
    if order is None or len(block) < 348:
        found = file_checks.format_of(block)
        raise ValueError(f"{path}: expected a NIfTI header of 348 or 540 bytes, got {found}")
    length = int.from_bytes(block[:4], order)
    block += stream.read(length - 348)
    kind, magic = KINDS[length]
    if len(block) < length or magic not in (block[344:348], block[4:12]):
        raise ValueError(f"{path}: expected NIfTI in a single file, got a header without {magic!r}")
    raw = kind(block, endianness=ORDERS[order], check=False)
    with np.errstate(all="ignore"):
        return _checked(path, raw, length)


def _checked(path: Path, raw: nib.Nifti1Header, length: int) -> Header:
    axes = int(raw["dim"][0])
    if not 2 <= axes <= 7:
        raise ValueError(f"{path}: expected 2 to 7 axes, got a header of {axes}")
    shape = tuple(int(n) for n in raw["dim"][1 : 1 + axes])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    dtype = _read(path, raw.get_data_dtype)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"{path}: expected whole or real numbers, got voxels of the type {dtype}")
    offset = float(raw["vox_offset"])
    if not (offset.is_integer() and length + 4 <= offset < 2**40):
        raise ValueError(f"{path}: expected voxels from byte {length + 4} or later on, got {offset}")
    _require_room(path, shape, dtype, int(offset))
    pixdim = raw["pixdim"][1 : 1 + min(axes, 3)]
    if not all(SPACING_MM[0] <= edge <= SPACING_MM[1] for edge in pixdim):
        raise ValueError(f"{path}: expected {RANGE}, got pixdim {pixdim.tolist()}")
    if raw["pixdim"][0] == 0:
        raw["pixdim"][0] = 1  # as the standard reads it
    affine = _read(path, raw.get_best_affine)
    slope, inter = _read(path, raw.get_slope_inter)
    if np.isinf(raw["scl_slope"]):
        raise ValueError(f"{path}: expected a number to scale voxels by, got an infinite slope")
    scaling = (1.0 if slope is None else slope, 0.0 if inter is None else inter)
    return Header(shape, affine, _spacing(path, affine), dtype, int(offset), scaling)


def _read(path: Path, field: Callable[[], Any]) -> Any:
    """A field as nibabel reads it; what it cannot read becomes an error that names the file."""
    try:
        return field()
    except (HeaderDataError, KeyError, ValueError) as error:
        raise file_checks.unreadable(path, error, "a valid NIfTI header") from None


def _require_room(path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
    """Check that the file can hold what its header claims, before that memory is allocated."""
    size = file_checks.size_of(path)
    packed = path.name.endswith(".gz")
    claimed = offset + file_checks.require_plausible(path, shape, dtype.itemsize, size)
    if claimed != size if not packed else claimed > file_checks.DEFLATE * size:
        limit = f"at most {file_checks.DEFLATE * size}" if packed else f"{size}"
        raise ValueError(
            f"{path}: expected {limit} bytes in a file of {size}, got a header that claims {claimed} "
            f"({shape}, {dtype})"
        )


def _spacing(path: Path, affine: np.ndarray) -> tuple[float, ...]:
    axes = np.asarray(affine[:3, :3], dtype=float)
    edges = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and all(SPACING_MM[0] <= e <= SPACING_MM[1] for e in edges)):
        raise ValueError(
            f"{path}: expected {RANGE}, got the affine {affine.tolist()}, spacing {edges.tolist()}"
        )
    if abs(np.linalg.det(axes / edges)) < FLAT:
        raise ValueError(f"{path}: expected three axes that span a volume, got the affine {affine.tolist()}")
    return tuple(float(e) for e in edges)
