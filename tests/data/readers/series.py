"""DICOM series made by hand, one file a slice."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SERIES = ("c", "a", "d", "b", "f", "e", "h", "g")
"""The names of the slices, from the first place to the last: not in their order."""

Three = tuple[float, float, float]


def save_series(
    folder: Path,
    voxels: np.ndarray,
    step: float = 3.0,
    pixel: tuple[float, float] = (0.5, 0.5),
    origin: Three = (10, 20, 30),
    rows_along: Three = (1, 0, 0),
    columns_along: Three = (0, 1, 0),
    first: int = 0,
    uid: str = "1.2.3",
    **tags: object,
) -> Path:
    """Write `(columns, rows, slices)` of int16; `pixel` is mm from row to row and from column to column."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(rows_along, columns_along)
    for k, plane in enumerate(np.moveaxis(voxels, -1, 0)):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{uid}.{first + k}"
        found = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        found.SeriesInstanceUID, found.Modality = uid, "CT"
        found.Columns, found.Rows = plane.shape
        found.PixelSpacing = list(pixel)
        found.ImageOrientationPatient = [*rows_along, *columns_along]
        found.ImagePositionPatient = [float(n) for n in np.array(origin) + k * step * normal]
        found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
        found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 1
        found.PixelData = plane.T.astype("<i2").tobytes()
        for name, value in tags.items():
            setattr(found, name, value)
        found.save_as(folder / f"{SERIES[first + k]}.dcm", enforce_file_format=True)
    return folder
