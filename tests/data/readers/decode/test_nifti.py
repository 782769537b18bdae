"""Inconsistent NIfTI headers and damaged gzip streams, in two dimensions and in three."""

import gzip
import warnings

import nibabel as nib
import numpy as np
import pytest

from medseg_lab.data.readers.decode.nifti import read_header, read_nifti
from tests.data.readers.refusals import NIFTI, refused


def edited(path, **fields):
    """The NIfTI file with fields of its header overwritten, past every check."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(header.binaryblock + bytes(content[348:])))


def diagonal(*edges):
    rows = np.diag([*edges, 0.0])[:3].astype(np.float32)
    return {f"srow_{axis}": row for axis, row in zip("xyz", rows, strict=True)} | {"sform_code": 1}


HEADERS = {
    "zero pixdim": (
        {"pixdim": [1, 1, 0, 1, 1, 1, 1, 1]},
        r"expected a spacing of .*, got pixdim \[1\.0, 0\.0, 1\.0\]",
    ),
    "negative pixdim": ({"pixdim": [1, 1, -2, 1, 1, 1, 1, 1]}, r"got pixdim \[1\.0, -2\.0, 1\.0\]"),
    "pixdim that is no number": (
        {"pixdim": [1, 1, np.nan, 1, 1, 1, 1, 1]},
        r"got pixdim \[1\.0, nan, 1\.0\]",
    ),
    "pixdim of kilometres": ({"pixdim": [1, 1, 1e6, 1, 1, 1, 1, 1]}, "expected a spacing of 1e-06 to 100 mm"),
    "zero axis": (diagonal(1, 0, 1), r"expected a spacing of .*, spacing \[1\.0, 0\.0, 1\.0\]"),
    "flat affine": (
        {"srow_x": [1, 1, 0, 0], "srow_y": [1, 1, 0, 0], "srow_z": [0, 0, 1, 0], "sform_code": 1},
        "expected three axes that span a volume",
    ),
    "affine that is no number": (diagonal(1, np.nan, 1), "got the affine"),
    "origin that is no number": (
        {"srow_x": [1, 0, 0, np.nan], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0], "sform_code": 1},
        "got the affine .*nan",
    ),
    "impossible rotation": (
        {"quatern_b": 2.0, "sform_code": 0, "qform_code": 1},
        "expected a valid NIfTI header",
    ),
    "no axes": ({"dim": [0] * 8}, "expected 2 to 7 axes, got a header of 0"),
    "empty axis": ({"dim": [3, 9, 0, 5, 1, 1, 1, 1]}, r"expected 1 to .* claims shape \(9, 0, 5\)"),
    "negative axis": ({"dim": [3, 9, -8, 5, 1, 1, 1, 1]}, r"expected 1 to .* claims shape \(9, -8, 5\)"),
    "absurd axes": ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, r"claims shape \(32767, 32767, 32767\)"),
    "seven absurd axes": ({"dim": [7] + [32767] * 7}, "expected 1 to 1073741824 voxels"),
    "more than deflate packs": (
        {"dim": [3, 1000, 1000, 100, 1, 1, 1, 1]},
        "expected at most .* bytes \\(1032 times",
    ),
    "more than is there": ({"dim": [3, 9, 8, 50, 1, 1, 1, 1]}, "expected .* bytes of voxels .*, got"),
    "less than is there": (
        {"dim": [2, 3, 1, 1, 1, 1, 1, 1]},
        "expected .* bytes of voxels .*, got more than",
    ),
    "colours": ({"datatype": 128, "bitpix": 24}, "expected whole or real numbers"),
    "complex numbers": ({"datatype": 32, "bitpix": 64}, "expected whole or real numbers"),
    "unknown type": ({"datatype": 3}, "expected a valid NIfTI header"),
    "voxels before the header ends": (
        {"vox_offset": 4},
        "expected voxels from byte 352 or later on, got 4.0",
    ),
    "voxels at no byte": ({"vox_offset": np.nan}, "or later on, got nan"),
    "voxels beyond the end": ({"vox_offset": 1e5}, "got 0 bytes|header that claims"),
    "infinite slope": ({"scl_slope": np.inf}, "got an infinite slope"),
    "infinite intercept": ({"scl_slope": 1, "scl_inter": np.inf}, "expected a valid NIfTI header"),
    "two files": ({"magic": b"ni1"}, "expected NIfTI in a single file, got a header without"),
}


@pytest.mark.parametrize("fault", HEADERS)
@pytest.mark.parametrize(
    ("layout", "part"), [("acdc-nifti", "label"), ("msd-2d", "image"), ("msd-3d", "image")]
)
def test_an_inconsistent_header(make, layout, fault, part):
    fields, message = HEADERS[fault]
    made = make(layout)
    edited(made.file(part), **fields)
    refused(made, part, message)


@pytest.mark.parametrize("layout", NIFTI)
def test_an_image_that_is_elsewhere_than_its_label(make, layout):
    made = make(layout)
    edited(made.file("image"), **diagonal(1.5, 1.5, 8))
    refused(
        made, "image", r"expected the label's place, got corners 1\.75 mm from its own: spacing 1\.5 x 1\.5 x"
    )


def test_an_unpacked_volume_is_as_long_as_its_header_says(make):
    made = make("acdc-nifti")
    source, path = made.reader, made.file("image")
    content = gzip.decompress(path.read_bytes())
    plain = path.with_suffix("")
    path.unlink()
    for changed in (content[:-1], content + b"\0"):
        plain.write_bytes(changed)
        with pytest.raises(
            ValueError, match=rf"in a file of {len(changed)}, got a header that claims {len(content)}"
        ):
            made.reader.read(made.first)
    plain.write_bytes(content)
    np.testing.assert_array_equal(made.reader.read(made.first).image, made.images[made.first])
    with pytest.raises(ValueError, match="got no such file"):
        source.read(made.first)


@pytest.mark.parametrize("at", ["voxels", "checksum"])
def test_a_flipped_bit_inside_gzip_is_seen_by_its_checksum(make, at):
    """Stored, not packed: every flip decodes, so that nothing but the checksum can tell."""
    made = make("msd-3d")
    content = bytearray(gzip.compress(gzip.decompress(made.file("image").read_bytes()), compresslevel=0))
    content[600 if at == "voxels" else -8] ^= 1
    made.file("image").write_bytes(content)
    refused(made, "image", "CRC check failed")


def test_big_endian_and_the_second_version_of_nifti_are_read(make):
    made = make("msd-3d")
    image = made.images[made.first][0]
    affine = np.diag([1.5, 1.25, 8.0, 1.0])
    big = nib.Nifti1Header(endianness=">")
    for file in (nib.Nifti1Image(image, affine, big), nib.Nifti2Image(image, affine)):
        nib.save(file, made.file("image"))
        np.testing.assert_array_equal(made.reader.read(made.first).image[0], image)


def test_a_handedness_of_zero_is_read_as_one(make):
    """So the standard says of pixdim[0], which counts where the affine is given as a rotation."""
    made = make("msd-3d")
    for part in ("image", "label"):
        edited(made.file(part), pixdim=[0, 2, 3, 4, 1, 1, 1, 1], sform_code=0, qform_code=1)
    assert made.reader.read(made.first).spacing == (2.0, 3.0, 4.0)


def test_a_header_is_scaled_as_it_says(make):
    made = make("msd-3d")
    image = np.arange(9 * 8 * 5, dtype=np.int16).reshape(9, 8, 5)
    file = nib.Nifti1Image(image, np.diag([1.5, 1.25, 8.0, 1.0]))
    file.header.set_slope_inter(0.5, -3)
    nib.save(file, made.file("image"))
    edited(made.file("image"), scl_slope=2.0, scl_inter=10.0)
    stored = np.asanyarray(nib.load(made.file("image")).dataobj)
    np.testing.assert_array_equal(made.reader.read(made.first).image[0], stored.astype(np.float32))


def test_a_volume_that_is_not_packed_as_its_name_says(make):
    made = make("msd-3d")
    made.file("image").write_bytes(gzip.decompress(made.file("image").read_bytes()))
    refused(made, "image", "expected a gzip file, got NIfTI-1 or Analyze")
    made.file("image").write_bytes(gzip.compress(gzip.compress(made.file("image").read_bytes())))
    refused(made, "image", "expected a NIfTI header of .*, got gzip")


def test_a_repaired_header_is_not_reported_on_standard_error(make, capfd):
    made = make("msd-3d")
    edited(made.file("image"), pixdim=[0, 1, 1, 1, 1, 1, 1, 1], bitpix=7, qform_code=99)
    source = made.reader
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(source.read(made.first).image, made.images[made.first])
    assert capfd.readouterr() == ("", "")


def saved(path, array, affine=None, unit=None, **fields):
    """A NIfTI file with fields of its header overwritten."""
    file = nib.Nifti1Image(array, np.eye(4) if affine is None else affine)
    file.header.set_xyzt_units(unit)
    nib.save(file, path)
    edited(path, **fields)
    return path


VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("unit", "edge", "mm"), [("meter", 0.002, 2.0), ("mm", 2, 2.0), ("micron", 250, 0.25), (None, 2, 2.0)]
)
@pytest.mark.parametrize("code", [0, 1])
def test_lengths_are_in_the_unit_of_the_header(tmp_path, unit, edge, mm, code):
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = 3 * edge
    codes = {"sform_code": code, "qform_code": 1 - code}
    header = read_header(saved(tmp_path / "a.nii.gz", VOXELS, affine, unit, **codes))
    assert header.spacing == pytest.approx((mm, mm, mm))
    np.testing.assert_allclose(
        header.affine, np.diag([mm, mm, mm, 1]) + 3 * mm * np.eye(4, k=3)[[0, 0, 0, 1]]
    )


def test_a_spacing_is_refused_after_conversion(tmp_path):
    path = saved(tmp_path / "a.nii.gz", VOXELS, np.diag([2.0, 2, 2, 1]), "meter")
    with pytest.raises(
        ValueError, match=r"100 mm along every axis, got pixdim \[2\.0, 2\.0, 2\.0\] in metres"
    ):
        read_header(path)


@pytest.mark.parametrize("lone", [0, 1, 2])
@pytest.mark.parametrize("thickness", [0, 999, np.nan, -1])
def test_a_thickness_across_one_voxel_may_be_anything(tmp_path, lone, thickness):
    """The affine then has 1 mm there, at a right angle to the others."""
    edges = np.insert([2.0, 3.0], lone, thickness)
    fields = diagonal(*edges) | {"pixdim": [1, *edges, 1, 1, 1, 1]}
    voxels = np.expand_dims(VOXELS[0], lone)
    header = read_header(saved(tmp_path / "a.nii.gz", voxels, **fields))
    np.testing.assert_allclose(np.abs(header.affine), np.diag([*np.insert([2.0, 3.0], lone, 1), 1]))


def test_two_axes_are_a_slice(tmp_path):
    path = saved(
        tmp_path / "a.nii.gz", VOXELS[0], pixdim=[1, 1, 1, 0, 0, 0, 0, 0], sform_code=0, qform_code=1
    )
    voxels, header = read_nifti(path)
    assert header.shape == (3, 4, 1)
    np.testing.assert_array_equal(voxels[..., 0], VOXELS[0])
    assert np.linalg.det(header.affine) == pytest.approx(1)


def test_the_parts_of_a_vector_are_channels(tmp_path):
    """As ITK stores them: the fifth axis, after one point of time."""
    vectors = np.stack([VOXELS, -VOXELS], -1)[:, :, :, None]
    voxels, header = read_nifti(saved(tmp_path / "a.nii.gz", vectors, intent_code=1007))
    assert header.shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(voxels[..., 1], -VOXELS)


def test_a_time_series_of_vectors_is_refused(tmp_path):
    path = saved(tmp_path / "a.nii.gz", np.zeros((2, 3, 4, 2, 2), np.int16))
    with pytest.raises(
        ValueError, match=r"one axis after the third, for channels, got shape \(2, 3, 4, 2, 2\)"
    ):
        read_header(path)


def test_colours_are_refused_in_words(tmp_path):
    colours = np.zeros((2, 3, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    with pytest.raises(ValueError, match=r"expected whole or real numbers, got colours \(R, G, B\)"):
        read_header(saved(tmp_path / "a.nii.gz", colours))


def test_how_far_sform_and_qform_are_apart(tmp_path):
    """The sform counts; the far corner is 2 mm off in x, of two voxels, and 9 mm in z, of four."""
    fields = diagonal(3, 1, 4) | {"qform_code": 1}
    header = read_header(saved(tmp_path / "a.nii.gz", VOXELS, **fields))
    assert header.spacing == (3, 1, 4)
    assert header.apart == pytest.approx(np.hypot(2, 9))


def test_an_ending_in_capitals_is_an_ending(tmp_path):
    path = tmp_path / "a.NII.GZ"
    saved(tmp_path / "a.nii.gz", VOXELS).rename(path)
    np.testing.assert_array_equal(read_nifti(path)[0], VOXELS)
