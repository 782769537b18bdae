"""DICOM series: the volume and where it lies; series that are incomplete or mixed are refused."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medseg_lab.data.readers.decode.dicom import read_series
from medseg_lab.data.readers.decode.volume import read_volume
from tests.data.readers.series import SERIES, save_series

VOXELS = np.random.default_rng(0).integers(-50, 50, (6, 5, 4)).astype(np.int16)
"""6 columns, 5 rows, 4 slices."""


def change(folder: Path, at: int, **tags: object) -> Path:
    """The slice at this place in the stack, with other tags."""
    import pydicom

    path = folder / f"{SERIES[at]}.dcm"
    found = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(found, name, value)
    found.save_as(path)
    return path


def test_slices_are_stacked_by_their_place_whatever_they_are_called(tmp_path):
    voxels, _, spacing = read_series(save_series(tmp_path / "a", VOXELS, pixel=(0.5, 0.75), step=3.0))
    assert (voxels == VOXELS[None]).all()
    assert spacing == (0.75, 0.5, 3.0)


def test_the_affine_is_where_the_voxels_are_to_the_right_front_and_up(tmp_path):
    """DICOM counts mm to the left and back: its (10, 20, 30) is (-10, -20, 30), and rows go to the back."""
    _, affine, _ = read_series(save_series(tmp_path / "a", VOXELS, pixel=(0.5, 0.75), step=3.0))
    assert affine[:3, 3].tolist() == [-10, -20, 30]
    assert affine[:3, :3].tolist() == [[-0.75, 0, 0], [0, -0.5, 0], [0, 0, 3]]
    assert nib.aff2axcodes(affine) == ("L", "P", "S")


def test_a_sagittal_series_goes_through_the_patient_from_side_to_side(tmp_path):
    folder = save_series(tmp_path / "a", VOXELS, rows_along=(0, 1, 0), columns_along=(0, 0, -1))
    _, affine, _ = read_series(folder)
    assert nib.aff2axcodes(affine) == ("P", "I", "R")  # columns to the back, rows down, slices to the right


def test_numbers_are_scaled_as_the_series_says(tmp_path):
    voxels = read_volume(save_series(tmp_path / "a", VOXELS, RescaleSlope=2, RescaleIntercept=-1024)).voxels
    assert voxels.dtype == np.float32
    assert (voxels == VOXELS[None] * 2.0 - 1024).all()


def test_where_the_lowest_value_is_white_it_is_inverted(tmp_path):
    """Of 16 signed bits -32768 and 32767 change places."""
    folder = save_series(tmp_path / "a", VOXELS, PhotometricInterpretation="MONOCHROME1")
    assert (read_series(folder)[0] == -1 - VOXELS[None].astype(int)).all()


def test_a_gap_is_named_by_its_neighbours(tmp_path):
    folder = save_series(tmp_path / "a", np.concatenate([VOXELS, VOXELS], axis=-1))
    (folder / f"{SERIES[4]}.dcm").unlink()
    message = (
        rf"a: expected slices every 3 mm, got 6 mm between {SERIES[3]}\.dcm and {SERIES[5]}\.dcm: some are"
    )
    with pytest.raises(ValueError, match=message):
        read_series(folder)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"ImagePositionPatient": [10, 20, 30]}, r"a: expected one slice at each position, got \w+\.dcm and"),
        (
            {"SeriesInstanceUID": "1.9"},
            r"\.dcm: expected one series, SeriesInstanceUID 1\.\S+ as in .* got 1\.9",
        ),
        (
            {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
            r"\.dcm: expected ImageOrientationPatient .* got \[0",
        ),
        ({"PixelSpacing": [1, 2]}, r"\.dcm: expected PixelSpacing .* in all slices, got \[1\. 2\.\]"),
        ({"Rows": 6, "Columns": 5}, r"\.dcm: expected one series, Rows 5 as in .* got 6"),
        ({"ImagePositionPatient": [10, 23, 36]}, r"a: expected an even stack of slices, got some 3 mm off"),
        (
            {"ImagePositionPatient": None},
            r"\.dcm: expected a slice with its place .* no ImagePositionPatient",
        ),
        ({"NumberOfFrames": 3}, r"\.dcm: expected one slice per file, got 3 frames"),
        ({"PhotometricInterpretation": "RGB"}, r"\.dcm: expected grey values, got RGB pixels"),
        (
            {"Rows": 60_000, "Columns": 60_000},
            r"\.dcm: expected .* header that claims shape \(60000, 60000\)",
        ),
        ({"PixelData": b"ab"}, r"\.dcm: expected pixels that can be decoded .* got the error: "),
    ],
)
def test_a_series_that_is_none_is_refused_in_one_sentence(tmp_path, tags, message):
    folder = save_series(tmp_path / "a", VOXELS)
    change(folder, 2, **tags)
    with pytest.raises(ValueError, match=message) as error:
        read_series(folder)
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)


def test_a_file_of_another_kind_among_the_slices_is_named(tmp_path):
    folder = save_series(tmp_path / "a", VOXELS)
    (folder / "notes.txt").write_text("seen")
    (folder / ".DS_Store").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"notes\.txt: expected a complete, readable DICOM file, got the error"
    ):
        read_series(folder)
    (folder / "notes.txt").unlink()
    assert read_series(folder)[0].shape == (1, 6, 5, 4)


def test_without_pydicom_the_line_that_installs_it_is_named(tmp_path, monkeypatch):
    folder = save_series(tmp_path / "a", VOXELS)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'pip install "medseg-lab\[dicom\]"'):
        read_series(folder)
