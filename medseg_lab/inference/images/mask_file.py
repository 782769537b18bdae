"""Masks and maps as files, on the grid and in the format of the image that they belong to."""

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medseg_lab.data.readers.decode.nifti_header import KINDS
from medseg_lab.data.readers.decode.volume import Volume, ending_of

ENDINGS = {
    ".nii": ".nii.gz",
    ".nii.gz": ".nii.gz",
    ".png": ".png",
    ".bmp": ".bmp",
    ".jpg": ".png",  # a JPEG changes values
    ".jpeg": ".png",
    ".tif": ".tif",
    ".tiff": ".tiff",
}
"""The ending of a mask, by that of its image; `.nii.gz` for a DICOM series."""


def mask_ending(image: Path, values: Sequence[int] = ()) -> str:
    """The ending of the mask of an image; PNG for values that do not fit into a BMP's byte."""
    ending = ENDINGS[ending_of(image.name) or ".nii"]
    return ".png" if ending == ".bmp" and max(values, default=0) > 255 else ending


def map_ending(image: Path) -> str:
    """The ending of a map of decimal numbers: NIfTI for volumes, TIFF for pictures."""
    return ".nii.gz" if mask_ending(image) == ".nii.gz" else ".tif"


def write_map(target: Path, array: np.ndarray, image: Path, volume: Volume) -> None:
    """Write a mask, or a map of decimal numbers, whole or not at all.

    Args:
        target: its ending is as `mask_ending` or `map_ending` say; a file that is there is replaced.
        array: `(*S)` on the grid of the image as it is stored, or several maps `(M, *S)`: the last axis of a
            NIfTI file, the first of a TIFF.
        image: its file, whose NIfTI header (place, units) is kept.
        volume: what was read of it.
    """
    with _whole_file(target) as path:
        _WRITERS[target.suffix](path, array, image, volume)


@contextmanager
def _whole_file(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` when the block ends, and never before."""
    writing = target.with_name(f".writing-{os.getpid()}-{target.name}")
    try:
        yield writing
        with writing.open("rb") as file:
            os.fsync(file.fileno())
        writing.replace(target)
    finally:
        writing.unlink(missing_ok=True)


def _nifti(path: Path, array: np.ndarray, image: Path, volume: Volume) -> None:
    import nibabel as nib

    several = array.ndim > volume.voxels.ndim - 1
    if several:
        array = np.moveaxis(array, 0, -1)
        if array.ndim == 3:  # the third axis is one of space
            array = array[:, :, None]
    if ending_of(image.name) is None:
        made = nib.Nifti1Image(array, volume.affine)
        made.header.set_xyzt_units("mm")
    else:
        with (gzip.open if image.name.lower().endswith(".gz") else open)(image, "rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            length = next(n for n in KINDS if start in (n.to_bytes(4, "little"), n.to_bytes(4, "big")))
            header = KINDS[length][0].from_fileobj(stream, check=False)
        header = header.as_byteswapped("<")
        header.extensions.clear()
        header["cal_max"] = header["cal_min"] = 0
        header["intent_code"] = 0
        header.set_data_dtype(array.dtype)
        header.set_data_shape(array.shape)
        header.set_slope_inter(1, 0)
        # without an affine: place and units stay as they are, sform, qform and their codes
        made = (nib.Nifti1Image if length == 348 else nib.Nifti2Image)(array, None, header)
    nib.save(made, path)


def _tiff(path: Path, array: np.ndarray, image: Path, volume: Volume) -> None:
    from tifffile import imwrite

    axes = "ZYX"[-volume.voxels.ndim + 1 :]
    axes = f"C{axes}" if array.ndim > len(axes) and len(axes) == 2 else axes
    if array.ndim > len(axes):  # ImageJ's order
        array, axes = np.moveaxis(array, 0, 1), "ZCYX"
    more: dict[str, Any] = {}
    if volume.spacing:
        *above, height, width = volume.spacing
        more = {"resolution": (1 / width, 1 / height)}
        said = {"axes": axes, "unit": "mm", **({"spacing": above[0]} if above else {})}
    else:
        said = {"axes": axes}
    imwrite(path, np.ascontiguousarray(array), imagej=True, metadata=said, compression="zlib", **more)


def _picture(path: Path, array: np.ndarray, image: Path, volume: Volume) -> None:
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(array)).save(path, format=path.suffix[1:].upper())


_WRITERS: dict[str, Callable[[Path, np.ndarray, Path, Volume], None]] = {
    ".gz": _nifti,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".png": _picture,
    ".bmp": _picture,
}
