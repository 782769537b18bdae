"""The header of a NIfTI file, which is not believed before it is checked against itself and the file's size.

Fields, scaling and affine are read by nibabel, whose own check is left out: it mends some lies in silence and
reports others on standard error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from medseg_lab.data.readers.decode import claims

KINDS = {348: (nib.Nifti1Header, b"n+1\0"), 540: (nib.Nifti2Header, b"n+2\0\r\n\032\n")}
"""By the length that a header states first: its class, and the mark of a file that holds its own voxels."""

ORDERS: dict[Literal["little", "big"], str] = {"little": "<", "big": ">"}

SPACING_MM = (1e-6, 1e2)
"""Voxel edges from a nanometre to ten centimetres: anything else is a mistake in the header."""

FLAT = 1e-3
"""An affine whose axes span less than this share of the box of their lengths describes no volume."""


@dataclass(frozen=True)
class Header:
    """What a NIfTI file says of its voxels, checked.

    Args:
        shape: (X, Y[, Z[, C]]); single entries beyond the third axis are left out.
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
    """The header at the beginning of `stream`; these are the unpacked bytes of `path`.

    Raises:
        ValueError: naming the file, what was seen and what was wanted.
    """
    block = stream.read(348)
    order = next((o for o in ORDERS if int.from_bytes(block[:4], o) in KINDS), None)
    if order is None or len(block) < 348:
        raise ValueError(f"{path}: got {claims.format_of(block)}, wanted a NIfTI header of 348 or 540 bytes")
    length = int.from_bytes(block[:4], order)
    block += stream.read(length - 348)
    kind, magic = KINDS[length]
    if len(block) < length or magic not in (block[344:348], block[4:12]):
        raise ValueError(f"{path}: got a header without the mark {magic!r}, wanted NIfTI in a single file")
    raw = kind(block, endianness=ORDERS[order], check=False)
    with np.errstate(all="ignore"):
        return _checked(path, raw, length)


def _checked(path: Path, raw: nib.Nifti1Header, length: int) -> Header:
    axes = int(raw["dim"][0])
    if not 2 <= axes <= 7:
        raise ValueError(f"{path}: got a header of {axes} axes, wanted 2 to 7")
    shape = tuple(int(n) for n in raw["dim"][1 : 1 + axes])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    dtype = _asked(path, raw.get_data_dtype)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"{path}: got voxels of the type {dtype}, wanted whole or real numbers")
    offset = float(raw["vox_offset"])
    if not (offset.is_integer() and length + 4 <= offset < 2**40):
        raise ValueError(f"{path}: got voxels from byte {offset} on, wanted {length + 4} or a later one")
    _require_room(path, shape, dtype, int(offset))
    pixdim = raw["pixdim"][1 : 1 + min(axes, 3)]
    if not all(SPACING_MM[0] <= edge <= SPACING_MM[1] for edge in pixdim):
        raise ValueError(f"{path}: got pixdim {pixdim.tolist()}, wanted {_range()}")
    if raw["pixdim"][0] == 0:
        raw["pixdim"][0] = 1  # as the standard reads it
    affine = _asked(path, raw.get_best_affine)
    slope, inter = _asked(path, raw.get_slope_inter)
    if np.isinf(raw["scl_slope"]):
        raise ValueError(f"{path}: got an infinite slope, wanted a number to scale voxels by")
    scaling = (1.0 if slope is None else slope, 0.0 if inter is None else inter)
    return Header(shape, affine, _spacing(path, affine), dtype, int(offset), scaling)


def _asked(path: Path, question: Callable[[], Any]) -> Any:
    """nibabel's reading of a field; what it cannot read becomes an error that names the file."""
    try:
        return question()
    except (HeaderDataError, KeyError, ValueError) as error:
        raise claims.unreadable(path, error, "a NIfTI header that can be meant") from None


def _require_room(path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
    """See that the file can hold what its header claims, before anything is made of that size."""
    size = claims.size_of(path)
    packed = path.name.endswith(".gz")
    claimed = offset + claims.require_plausible(path, shape, dtype.itemsize, size)
    if claimed != size if not packed else claimed > claims.DEFLATE * size:
        limit = f"at most {claims.DEFLATE * size}" if packed else "just as many"
        raise ValueError(
            f"{path}: got {size} bytes and a header that claims {claimed} ({shape}, {dtype}), wanted {limit}"
        )


def _spacing(path: Path, affine: np.ndarray) -> tuple[float, ...]:
    axes = np.asarray(affine[:3, :3], dtype=float)
    edges = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and all(SPACING_MM[0] <= e <= SPACING_MM[1] for e in edges)):
        raise ValueError(
            f"{path}: got the affine {affine.tolist()}, spacing {edges.tolist()}, wanted {_range()}"
        )
    if abs(np.linalg.det(axes / edges)) < FLAT:
        raise ValueError(f"{path}: got the affine {affine.tolist()}, wanted three axes that span a volume")
    return tuple(float(e) for e in edges)


def _range() -> str:
    return f"a spacing of {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm along every axis"
