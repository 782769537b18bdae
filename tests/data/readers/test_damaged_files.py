"""Damaged files and incomplete folders: one clear error each, naming the file, whatever the layout."""

import gzip
import os

import pytest

from medseg_lab.data.readers.open import open_reader
from tests.data.readers.layouts import LAYOUTS
from tests.data.readers.refusals import PARTS, pickled, pickled_npy, refused


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_file(make, layout, part):
    made = make(layout)
    made.file(part).write_bytes(b"")
    refused(made, part, r"got an empty file \(0 bytes\)")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_ends_early(make, layout, part):
    made = make(layout)
    whole = made.file(part).read_bytes()
    for kept in (len(whole) // 2, len(whole) - 5, 20):
        made.file(part).write_bytes(whole[:kept])
        if made.file(part).suffix == ".jpg" and kept == len(whole) - 5:
            continue  # the mark of the end is missing, the picture is not
        refused(made, part, "expected ")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_vanished_after_the_listing(make, layout):
    made = make(layout)
    source = made.reader
    made.file("image").unlink()
    with pytest.raises(ValueError, match="got no such file") as error:
        source.read(made.first)
    assert str(error.value).startswith(str(made.file("image")))
    with pytest.raises(ValueError, match="got no such file"):
        source.digest(made.first)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pipe_is_not_waited_on(make, layout):
    made = make(layout)
    made.file("image").unlink()
    os.mkfifo(made.file("image"))
    refused(made, "image", "expected a plain file, got something else")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("part", ["image", "label"])
def test_a_folder_with_the_name_of_a_file_is_none(make, layout, part):
    """As some programs unpack `a.nii.gz`: into a folder of this name."""
    made = make(layout)
    source = made.reader
    made.file(part).unlink()
    made.file(part).mkdir()
    with pytest.raises(ValueError, match="expected a plain file, got a folder") as error:
        source.read(made.first)
    assert str(error.value).startswith(str(made.file(part)))


FOREIGN = {
    "pickle": (pickled, "expected a .* file, got pickle"),
    "pickled numpy file": (pickled_npy, "expected a .* file, got NumPy"),
    "text": (
        lambda: b"hello, this is no image at all",
        "expected a .* file, got the first bytes 68656c6c6f2c2074",
    ),
    "page": (lambda: b"<!DOCTYPE html><p>404 Not Found", "expected a .* file, got HTML or XML"),
    "zip": (lambda: b"PK\3\4" + bytes(60), "expected a .* file, got zip"),
    "zeros": (lambda: bytes(4096), "expected a .* file, got the first bytes 0000000000000000"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_another_format_than_its_ending(make, layout, kind):
    """Were any of it unpickled, the process would end."""
    content, message = FOREIGN[kind]
    made = make(layout)
    made.file("label").write_bytes(content())
    refused(made, "label", message)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_or_volume_of_another_reader(make, layout):
    made = make(layout)
    for other in LAYOUTS:
        theirs = make(other, "other").file("image")
        if theirs.suffix != made.file("image").suffix:
            made.file("image").write_bytes(theirs.read_bytes())
            refused(made, "image", "expected a (gzip|PNG|JPEG|HDF5) file, got (gzip|PNG|JPEG|HDF5)")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_folder(make, layout, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected .*, got no") as error:
        open_reader(make(layout).card, tmp_path / "empty")
    assert str(error.value).startswith(f"{tmp_path / 'empty'}: expected")


HALVES = [(layout, part) for layout in LAYOUTS if layout != "acdc-h5" for part in PARTS]


@pytest.mark.parametrize(("layout", "part"), HALVES)
def test_half_a_pair_is_refused_before_anything_is_read(make, layout, part):
    made = make(layout)
    missing = made.file(part)
    missing.unlink()
    with pytest.raises(ValueError, match=r"missing") as error:
        _ = made.reader
    assert made.first.split("_")[0] in str(error.value)


@pytest.mark.parametrize("rater", range(4))
def test_a_reading_that_is_missing_is_refused(make, rater):
    made = make("lidc")
    made.file(f"mask {rater}").unlink()
    with pytest.raises(ValueError, match=rf"its reading \(mask-{rater}\) is missing"):
        _ = made.reader


@pytest.mark.parametrize("observer", ["1stHO", "2ndHO"])
def test_an_observer_who_is_missing_is_refused(make, observer):
    made = make("chase")
    made.file(observer).unlink()
    with pytest.raises(ValueError, match=rf"its mask \(_{observer}\) is missing"):
        _ = made.reader


def test_a_volume_that_is_there_packed_and_unpacked(make):
    made = make("acdc-nifti")
    path = made.file("image")
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.raises(ValueError, match=r"expected one file of patient001_frame01, got also .*\.nii"):
        _ = made.reader
