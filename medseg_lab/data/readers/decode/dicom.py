"""A DICOM series: a folder of files, one slice each, read with pydicom (`pip install "medseg-lab[dicom]"`).

The volume is (columns, rows, slices), placed in mm as NIfTI does it (RAS: right, anterior, superior), with
slices in the order of their positions, whatever the files are called.
"""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.data.readers.decode import file_checks

if TYPE_CHECKING:
    from pydicom import Dataset

PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
SAME = ("SeriesInstanceUID", "Rows", "Columns", "PhotometricInterpretation")
"""What all slices of a volume have in common, besides their orientation and spacing."""

OFF_GRID = 0.1
"""Slices may be so many voxels from where an even stack would have them: rounding of the header, no more."""


def read_series(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """The voxels `(1, X, Y, Z)`, scaled as the series says, the affine from voxels to mm, and mm along them.

    Raises:
        ValueError: naming the folder or a file in it: several series, slices that are missing, there twice,
            or of different size or orientation, several frames in a file, compression without a decoder.
        ImportError: without pydicom.
    """
    slices = {path: _parsed(path) for path in slice_files(folder)}
    if len(slices) < 2:
        raise ValueError(
            f"{folder}: expected the slices of a DICOM series, a file each, got {len(slices)} file"
        )
    first_path, first = next(iter(slices.items()))
    for path, each in slices.items():
        for name in SAME:
            if (here := each.get(name)) != (there := first.get(name)):
                raise ValueError(
                    f"{path}: expected one series, {name} {there} as in {first_path.name}, got {here}"
                )
        for name in PLACE[1:]:
            if not np.allclose(here := _numbers(each, name), there := _numbers(first, name), atol=1e-4):
                raise ValueError(f"{path}: expected {name} {there} in all slices, got {here}")
    orientation = _numbers(first, PLACE[1])
    along_row, down_column = orientation[:3], orientation[3:]
    normal = np.cross(along_row, down_column)
    ordered = sorted(slices, key=lambda path: float(_numbers(slices[path], PLACE[0]) @ normal))
    places = np.array([_numbers(slices[path], PLACE[0]) for path in ordered])
    rows, columns = _numbers(first, PLACE[2])
    step = _step(folder, ordered, places, normal, min(rows, columns))
    lps = np.eye(4)
    lps[:3] = np.stack([along_row * columns, down_column * rows, normal * step, places[0]], axis=1)
    voxels = np.stack([_pixels(path, slices[path]).T for path in ordered], axis=-1)[None]
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, (float(columns), float(rows), float(step))


def slice_files(folder: Path) -> list[Path]:
    """The files below `folder`, sorted, without hidden ones and the index of a medium."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _parsed(path: Path) -> "Dataset":
    """The slice, checked before its pixels are decoded."""
    try:
        import pydicom
    except ImportError:
        raise ImportError(
            f'{path.parent}: DICOM needs pydicom, which is not installed: pip install "medseg-lab[dicom]"',
            name="pydicom",
        ) from None
    size = file_checks.size_of(path)
    with file_checks.decoding(path, "a complete, readable DICOM file"):
        found = pydicom.dcmread(path)
        if "PixelData" not in found:
            raise ValueError(f"{path}: expected an image, got a DICOM file without pixels")
        if int(found.get("NumberOfFrames") or 1) > 1:
            raise ValueError(
                f"{path}: expected one slice per file, got {found.NumberOfFrames} frames; convert the series "
                "to NIfTI, with dcm2niix for instance"
            )
        if found.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
            raise ValueError(f"{path}: expected grey values, got {found.PhotometricInterpretation} pixels")
        if missing := [name for name in PLACE if found.get(name) is None]:
            raise ValueError(
                f"{path}: expected a slice with its place in the patient, got none: no {missing[0]}"
            )
        shape = (int(found.Rows), int(found.Columns))
        file_checks.require_plausible(path, shape, int(found.BitsAllocated) / 8, size)
        for name, count in zip(PLACE, (3, 6, 2), strict=True):
            if len(_numbers(found, name)) != count or not np.isfinite(_numbers(found, name)).all():
                raise ValueError(f"{path}: expected {count} numbers as {name}, got {found.get(name)}")
        return found


def _numbers(found: "Dataset", name: str) -> np.ndarray:
    return np.array(found.get(name), dtype=float)


def _step(folder: Path, ordered: list[Path], places: np.ndarray, normal: np.ndarray, pixel: float) -> float:
    """mm from slice to slice, checked: an even stack without a gap, along the normal of its slices."""
    gaps = np.diff(places @ normal)
    step = float(np.median(gaps))
    names = [(a.name, b.name) for a, b in pairwise(ordered)]
    at = int(np.argmin(gaps))
    if gaps[at] < OFF_GRID * step or step <= 0:
        raise ValueError(
            f"{folder}: expected one slice at each position, got {' and '.join(names[at])} at the same"
        )
    at = int(np.argmax(gaps))
    if gaps[at] > (1 + OFF_GRID) * step:
        raise ValueError(
            f"{folder}: expected slices every {step:.4g} mm, got {gaps[at]:.4g} mm between "
            f"{' and '.join(names[at])}: some are missing"
        )
    even = places[0] + np.linspace(0, float(gaps.sum()), len(places))[:, None] * normal
    off = np.linalg.norm(places - even, axis=1).max()
    if off > OFF_GRID * min(step, pixel):
        raise ValueError(
            f"{folder}: expected an even stack of slices, got some {off:.3g} mm off: a tilted gantry or "
            "uneven spacing; resample the series to an even grid first"
        )
    return float(gaps.mean())


def _pixels(path: Path, found: "Dataset") -> np.ndarray:
    """One slice, `(rows, columns)`: whole numbers, or float32 where a slope or an intercept applies."""
    with file_checks.decoding(path, "pixels that can be decoded (compressed ones need pylibjpeg or gdcm)"):
        pixels = found.pixel_array
        if found.PhotometricInterpretation == "MONOCHROME1":  # the lowest value is white
            signed, bits = int(found.PixelRepresentation), int(found.BitsStored)
            pixels = (-1 if signed else 2**bits - 1) - pixels.astype(np.int32)
        slope, intercept = (float(found.get(f"Rescale{n}", d)) for n, d in (("Slope", 1), ("Intercept", 0)))
        if (slope, intercept) == (1, 0):
            return np.asarray(pixels)
        return (pixels * slope + intercept).astype(np.float32)
