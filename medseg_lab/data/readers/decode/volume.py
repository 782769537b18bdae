"""What a file of an image or of a label holds, whatever its format, and the formats that are known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.nifti import read_header, read_nifti


@dataclass(frozen=True)
class Volume:
    """The voxels of one file, and where they are.

    Args:
        voxels: `(C, *S)`, as stored, scaled as the file says.
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


FORMATS: dict[str, Callable[[Path], Volume]] = {".nii.gz": _nifti, ".nii": _nifti}
"""How the files of each ending are read."""


def ending_of(name: str) -> str | None:
    """The known ending of a file's name, in any case of letters; None where there is none."""
    return next((ending for ending in FORMATS if name.lower().endswith(ending)), None)


def read_volume(path: Path) -> Volume:
    """The voxels of a file, read by its ending.

    Raises:
        ValueError: naming the file, what was expected and what it holds.
    """
    ending = ending_of(path.name)
    if ending is None:
        raise ValueError(f"{path}: expected a file ending of {', '.join(FORMATS)}, got {path.name!r}")
    return FORMATS[ending](path)


def read_grid(path: Path) -> Grid:
    """Where the voxels of a file are; of NIfTI only the header is read.

    Raises:
        ValueError: as `read_volume` does.
    """
    if ending_of(path.name) not in (".nii.gz", ".nii"):
        return read_volume(path).grid
    header = read_header(path)
    return Grid(header.shape[:3], header.affine, header.spacing, header.apart)
