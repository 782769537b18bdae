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
from medseg_lab.data.readers.decode.grid import corners

KINDS = {348: (nib.Nifti1Header, b"n+1\0"), 540: (nib.Nifti2Header, b"n+2\0\r\n\032\n")}
"""By the length that a header states first: its class, and the magic bytes of a file with its own voxels."""

ORDERS: dict[Literal["little", "big"], str] = {"little": "<", "big": ">"}

SPACING_MM = (1e-6, 1e2)
"""Voxel edges from a nanometre to ten centimetres: anything else is a mistake in the header."""

RANGE = f"a spacing of {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm along every axis"

MILLIMETRES = {1: ("metre", 1e3), 2: ("millimetre", 1.0), 3: ("micrometre", 1e-3)}
"""By the code in `xyzt_units`: the unit of lengths, and how many mm it has; without a code, mm are meant."""

FLAT = 1e-3
"""An affine whose axes span less than this share of the box of their lengths is degenerate."""


@dataclass(frozen=True)
class Header:
    """What a NIfTI file says of its voxels, checked.

    Args:
        shape: (X, Y, Z[, C]); a plane has Z = 1, and axes of length 1 after the third are left out.
        affine: `(4, 4)`, from voxels to mm, whatever the file's unit; of sform and qform, sform counts.
        spacing: mm along x, y, z. Along an axis of one voxel it is what the header says, plausible or not;
            where it is not, the affine has an axis of 1 mm across the others.
        dtype: as stored.
        offset: where the voxels begin, in bytes.
        scaling: slope and intercept.
        apart: mm by which sform and qform disagree about the corners, if the header has both.
        oriented: whether it has either. Without, the first axis is taken to run to the left (nibabel's rule).
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    spacing: tuple[float, ...]
    dtype: np.dtype
    offset: int
    scaling: tuple[float, float]
    apart: float = 0.0
    oriented: bool = True


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
    shape = _shape(path, raw)
    dtype = _read(path, raw.get_data_dtype)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        kind = f"colours ({', '.join(dtype.names)})" if dtype.names else f"voxels of the type {dtype}"
        raise ValueError(f"{path}: expected whole or real numbers, got {kind}")
    offset = float(raw["vox_offset"])
    if not (offset.is_integer() and length + 4 <= offset < 2**40):
        raise ValueError(f"{path}: expected voxels from byte {length + 4} or later on, got {offset}")
    _require_room(path, shape, dtype, int(offset))
    slope, inter = _read(path, raw.get_slope_inter)
    if np.isinf(raw["scl_slope"]):
        raise ValueError(f"{path}: expected a number to scale voxels by, got an infinite slope")
    scaling = (1.0 if slope is None else slope, 0.0 if inter is None else inter)
    affine, spacing, apart = _place(path, raw, shape[:3])
    oriented = bool(raw["sform_code"] > 0 or raw["qform_code"] > 0)
    return Header(shape, affine, spacing, dtype, int(offset), scaling, apart, oriented)


def _shape(path: Path, raw: nib.Nifti1Header) -> tuple[int, ...]:
    """The axes of space, and the only further one that is longer than 1: time, or the parts of a vector."""
    axes = int(raw["dim"][0])
    if not 2 <= axes <= 7:
        raise ValueError(f"{path}: expected 2 to 7 axes, got a header of {axes}")
    dim = tuple(int(n) for n in raw["dim"][1 : 1 + axes])
    shape = ((*dim, 1)[:3]) + tuple(n for n in dim[3:] if n != 1)
    if len(shape) > 4 and 0 < np.prod(shape, dtype=float) <= file_checks.MAX_VOXELS:
        raise ValueError(f"{path}: expected one axis after the third, for channels, got shape {dim}")
    return shape


def _place(
    path: Path, raw: nib.Nifti1Header, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[float, ...], float]:
    """The affine and the spacing in mm, and how far sform and qform are apart."""
    unit, mm = MILLIMETRES.get(int(raw["xyzt_units"]) & 7, MILLIMETRES[2])
    said = f" in {unit}s" if mm != 1 else ""
    lone = np.array(shape) == 1
    pixdim = raw["pixdim"][1:4]
    if not (_plausible(pixdim * mm) | lone).all():
        raise ValueError(f"{path}: expected {RANGE}, got pixdim {pixdim[: raw['dim'][0]].tolist()}{said}")
    if raw["pixdim"][0] == 0:
        raw["pixdim"][0] = 1  # as the standard reads it
    affine = _in_mm(_read(path, raw.get_best_affine), mm)
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    plain = _with_lone_axes(affine, lone & ~_plausible(edges))
    if not (np.isfinite(plain).all() and (_plausible(edges) | lone).all()):
        raise ValueError(
            f"{path}: expected {RANGE}, got the affine {affine.tolist()}, spacing {edges.tolist()}"
        )
    if abs(np.linalg.det(plain[:3, :3] / np.linalg.norm(plain[:3, :3], axis=0))) < FLAT:
        raise ValueError(f"{path}: expected three axes that span a volume, got the affine {affine.tolist()}")
    return plain, tuple(float(edge) for edge in edges), _apart(raw, plain, shape, mm)


def _in_mm(affine: np.ndarray, mm: float) -> np.ndarray:
    return np.diag([mm, mm, mm, 1.0]) @ affine if mm != 1 else np.asarray(affine, dtype=float)


def _plausible(edges: np.ndarray) -> np.ndarray:
    low, high = SPACING_MM
    return (low <= edges) & (edges <= high)


def _with_lone_axes(affine: np.ndarray, lone: np.ndarray) -> np.ndarray:
    """The affine with axes of 1 mm, across the others, in place of `lone` ones."""
    if not lone.any() or not np.isfinite(affine[:3, :3][:, ~lone]).all():
        return affine
    mended = affine.copy()
    across = np.linalg.svd(affine[:3, :3][:, ~lone])[0][:, 3 - lone.sum() :]
    mended[:3, :3][:, lone] = across
    return mended


def _apart(raw: nib.Nifti1Header, affine: np.ndarray, shape: tuple[int, ...], mm: float) -> float:
    """How far sform, which is `affine`, and qform put the farthest corner from one another, in mm."""
    if not (raw["sform_code"] > 0 and raw["qform_code"] > 0):
        return 0.0
    try:
        other = _in_mm(raw.get_qform(), mm)
    except (HeaderDataError, ValueError):
        return 0.0
    return float(np.linalg.norm(corners(shape, affine) - corners(shape, other), axis=1).max())


def _read(path: Path, field: Callable[[], Any]) -> Any:
    """A field as nibabel reads it; what it cannot read becomes an error that names the file."""
    try:
        return field()
    except (HeaderDataError, KeyError, ValueError) as error:
        raise file_checks.unreadable(path, error, "a valid NIfTI header") from None


def _require_room(path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
    """Check that the file can hold what its header claims, before that memory is allocated."""
    size = file_checks.size_of(path)
    packed = path.name.lower().endswith(".gz")
    claimed = offset + file_checks.require_plausible(path, shape, dtype.itemsize, size)
    if claimed != size if not packed else claimed > file_checks.DEFLATE * size:
        limit = f"at most {file_checks.DEFLATE * size}" if packed else f"{size}"
        raise ValueError(
            f"{path}: expected {limit} bytes in a file of {size}, got a header that claims {claimed} "
            f"({shape}, {dtype})"
        )
