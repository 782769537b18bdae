"""What a file of an image or of a mask holds, whatever its format, and the formats that are known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.readers.decode.dicom import read_series
from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.nifti import read_header, read_nifti
from medseg_lab.data.readers.decode.picture import KINDS, read_colours, read_values
from medseg_lab.data.readers.decode.tiff import read_tiff


@dataclass(frozen=True)
class Volume:
    """The voxels of one file, and where they are.

    Args:
        voxels: `(C, *S)`, as stored, scaled as the file says; S is (H, W) for pictures, (Z, Y, X) for stacks
            in TIFF, (X, Y, Z) for NIfTI and DICOM.
        affine: `(4, 4)`, from voxels to mm; None where the format has no place in space (pictures).
        spacing: mm along each axis of S; None where the file does not say.
    """

    voxels: np.ndarray
    affine: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        return Grid(self.voxels.shape[1:], self.affine, self.spacing)


def _nifti(path: Path) -> Volume:
    voxels, header = read_nifti(path)
    channels = np.moveaxis(voxels, -1, 0) if voxels.ndim == 4 else voxels[None]
    return Volume(channels, header.affine, header.spacing)


def _picture(path: Path) -> Volume:
    return Volume(read_colours(path))


def _picture_mask(path: Path) -> Volume:
    return Volume(read_values(path)[None])


def _tiff(path: Path) -> Volume:
    voxels, spacing = read_tiff(path)
    return Volume(voxels, None, spacing)


def _tiff_mask(path: Path) -> Volume:
    voxels, spacing = read_tiff(path, labels=True)
    return Volume(voxels, None, spacing)


def _series(folder: Path) -> Volume:
    return Volume(*read_series(folder))


NIFTI = (".nii.gz", ".nii")
Read = Callable[[Path], Volume]

PICTURES: dict[str, Read] = dict.fromkeys(KINDS, _picture)
FORMATS: dict[str, Read] = {
    **dict.fromkeys(NIFTI, _nifti),
    **PICTURES,
    **dict.fromkeys((".tif", ".tiff"), _tiff),
}
"""How the image files of each ending are read."""

MASKS: dict[str, Read] = {
    **FORMATS,
    **dict.fromkeys(PICTURES, _picture_mask),
    **dict.fromkeys((".tif", ".tiff"), _tiff_mask),
}
"""The same for masks: the indices of a palette are labels, and what changes labels is refused."""


def ending_of(name: str) -> str | None:
    """The known ending of a file's name, in any case of letters; None where there is none."""
    return next((ending for ending in FORMATS if name.lower().endswith(ending)), None)


def read_volume(path: Path) -> Volume:
    """The voxels of an image: a file, read by its ending, or a folder that holds a DICOM series.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
        ImportError: for DICOM, where pydicom is not installed.
    """
    return _read(path, FORMATS)


def read_mask(path: Path) -> Volume:
    """The values of a mask, `(1, *S)`, as stored; see `read_volume`.

    Raises:
        ValueError: for a JPEG, for colours and for what else is no label, too.
    """
    volume = _read(path, MASKS)
    if len(volume.voxels) != 1:
        raise ValueError(f"{path}: expected one label per voxel, got {len(volume.voxels)} channels")
    return volume


def _read(path: Path, formats: dict[str, Read]) -> Volume:
    ending = ending_of(path.name)
    if ending is None and path.is_dir():
        return _series(path)
    if ending is None:
        raise ValueError(f"{path}: expected a file ending of {', '.join(formats)}, got {path.name!r}")
    return formats[ending](path)


def read_grid(path: Path) -> Grid:
    """Where the voxels of a file are; of NIfTI only the header is read.

    Raises:
        ValueError: as `read_volume` does.
    """
    if ending_of(path.name) not in NIFTI:
        return read_volume(path).grid
    header = read_header(path)
    return Grid(header.shape[:3], header.affine, header.spacing, header.apart, header.oriented)
