"""TIFF: pictures, stacks, channels, their spacing; files that end early or claim too much."""

import resource
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from medseg_lab.data.readers.decode.tiff import read_tiff

PAGE = np.arange(10, dtype=np.uint8).reshape(2, 5) * 25
STACK = np.stack([PAGE + k for k in range(5)])
LABELS = (PAGE > 100).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_a_page_keeps_its_numbers(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", PAGE.astype(dtype))
    voxels, spacing = read_tiff(tmp_path / "a.tif")
    assert voxels.dtype == dtype
    assert (voxels == PAGE[None]).all()
    assert spacing is None


@pytest.mark.parametrize(
    ("array", "axes", "shape"),
    [
        (STACK, "ZYX", (1, 5, 2, 5)),
        (STACK, "CYX", (5, 2, 5)),
        (np.stack([STACK, STACK], 1), "ZCYX", (2, 5, 2, 5)),
        (np.stack([STACK, STACK]), "CZYX", (2, 5, 2, 5)),
    ],
)
@pytest.mark.parametrize("kind", ["ome", "plain"])
def test_axes_are_as_the_file_says(tmp_path, array, axes, shape, kind):
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": axes}, ome=kind == "ome")
    voxels, _ = read_tiff(tmp_path / "a.tif")
    assert voxels.shape == shape
    first = {"C": 0, "Z": 1}[axes[0]]
    assert (np.take(voxels, 1, axis=first) == (array[1] if axes != "ZYX" else array[None, 1])).all()


def test_colours_are_channels_and_pages_without_a_name_are_slices(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.dstack([PAGE, PAGE + 1, PAGE + 2]))
    assert (read_tiff(tmp_path / "rgb.tif")[0] == STACK[:3]).all()
    pages = [Image.fromarray(page) for page in STACK]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    assert (read_tiff(tmp_path / "pages.tif")[0] == STACK[None]).all()


def test_a_time_series_is_refused_with_what_it_has(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={"axes": "TYX"})
    with pytest.raises(
        ValueError, match="expected one image or stack of slices, got 5 time points, 2 rows, 5"
    ):
        read_tiff(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "raw"])
@pytest.mark.parametrize("labels", [False, True])
def test_lossless_compressions_are_read_for_images_and_masks(tmp_path, compression, labels):
    pages = [Image.fromarray(page) for page in STACK]
    path = tmp_path / "a.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], compression=compression)
    assert (read_tiff(path, labels)[0] == STACK[None]).all()


def test_a_mask_compressed_with_losses_is_refused(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "a.tif", compression="jpeg")
    assert read_tiff(tmp_path / "a.tif")[0].shape == (1, 2, 5)
    with pytest.raises(ValueError, match="expected a mask with lossless compression, got JPEG, which"):
        read_tiff(tmp_path / "a.tif", labels=True)


def test_a_palette_is_colours_in_an_image_and_labels_in_a_mask(tmp_path):
    picture = Image.fromarray(LABELS)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "a.tif")
    assert read_tiff(tmp_path / "a.tif")[0][:, 1, 4].tolist() == [40, 50, 60]
    assert (read_tiff(tmp_path / "a.tif", labels=True)[0] == LABELS).all()


@pytest.mark.parametrize("compression", [None, "group4"])
def test_white_may_be_stored_as_0(tmp_path, compression):
    """Both ways of storing one bit a pixel are the same picture."""
    if compression:
        Image.fromarray(LABELS.astype(bool)).save(tmp_path / "a.tif", compression=compression)
    else:
        tifffile.imwrite(tmp_path / "a.tif", ~LABELS.astype(bool), photometric="miniswhite")
    assert (read_tiff(tmp_path / "a.tif", labels=True)[0] == LABELS).all()


def test_spacing_of_imagej_ome_and_plain_tags_in_mm(tmp_path):
    """2 pixels a micrometre, slices 3 micrometres apart; 0.5 by 2 mm in OME; 40 pixels a centimetre."""
    said = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "imagej.tif", STACK, imagej=True, resolution=(2, 2), metadata=said)
    assert read_tiff(tmp_path / "imagej.tif")[1] == pytest.approx((3e-3, 5e-4, 5e-4))
    sizes = {"axes": "ZYX"} | {f"PhysicalSize{a}": n for a, n in zip("ZYX", (2, 0.5, 0.5), strict=True)}
    units = {f"PhysicalSize{a}Unit": "mm" for a in "ZYX"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=sizes | units)
    assert read_tiff(tmp_path / "a.ome.tif")[1] == pytest.approx((2, 0.5, 0.5))
    tifffile.imwrite(tmp_path / "plain.tif", PAGE, resolution=(40, 20), resolutionunit="CENTIMETER")
    assert read_tiff(tmp_path / "plain.tif")[1] == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize(("dots", "unit"), [(72, "INCH"), (300, "INCH"), (1, "NONE"), (1, "CENTIMETER")])
def test_a_printers_resolution_is_no_spacing(tmp_path, dots, unit):
    tifffile.imwrite(tmp_path / "a.tif", PAGE, resolution=(dots, dots), resolutionunit=unit)
    assert read_tiff(tmp_path / "a.tif")[1] is None


@pytest.mark.parametrize("form", ["plain", "imagej", "ome", "pages", "deflate"])
@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_a_stack_that_ends_early_is_refused_never_read_as_a_shorter_one(tmp_path, form, kept):
    stack = np.random.default_rng(0).integers(0, 255, (5, 30, 20)).astype(np.uint8)
    path = tmp_path / "a.tif"
    if form in ("pages", "deflate"):
        pages = [Image.fromarray(page) for page in stack]
        how = {"compression": "tiff_deflate"} if form == "deflate" else {}
        pages[0].save(path, save_all=True, append_images=pages[1:], **how)
    else:
        tifffile.imwrite(path, stack, imagej=form == "imagej", ome=form == "ome", metadata={"axes": "ZYX"})
    whole = path.read_bytes()
    assert read_tiff(path)[0].shape == (1, 5, 30, 20)
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match=r"a\.tif: expected") as error:
        read_tiff(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_page_that_claims_absurd_dimensions_takes_no_memory(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PAGE, compression=compression)
    content = path.read_bytes()
    for code, length in ((256, 5), (257, 2)):  # width, height: a tag's code, type, count, value
        tag = next(
            struct.pack(f"<HHI{kind}", code, number, 1, length)
            for number, kind in ((3, "H2x"), (4, "I"))
            if struct.pack(f"<HHI{kind}", code, number, 1, length) in content
        )
        content = content.replace(tag, struct.pack("<HHII", code, 4, 1, 65_000))
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"a\.tif: expected .* claims shape \(65000, 65000\)"):
        read_tiff(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_turned_page_is_read_as_viewers_show_it(tmp_path):
    how = {"resolution": (40, 20), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "a.tif", PAGE, extratags=[(274, "H", 1, 6, True)], **how)
    voxels, spacing = read_tiff(tmp_path / "a.tif")
    assert (voxels == np.rot90(PAGE, -1)).all()
    assert spacing == (0.25, 0.5)  # rows were 0.5 mm apart


def test_a_name_in_another_encoding_is_no_damage(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGE, software="Angstrom 1")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content.replace(b"Angstrom", b"\x81ngstrom"))
    assert (read_tiff(tmp_path / "a.tif")[0] == PAGE).all()


def test_two_images_in_one_file_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(PAGE, metadata=None)
        tiff.write(PAGE.T, metadata=None)
    with pytest.raises(ValueError, match="expected one image or stack, got 2 in one file"):
        read_tiff(tmp_path / "a.tif")


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_go_round_in_a_circle_are_refused(tmp_path, bigtiff):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.arange(24, dtype=np.uint8).reshape(2, 3, 4), bigtiff=bigtiff, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[-1].offset
        count, tag, link = (8, 20, 8) if bigtiff else (2, 12, 4)
    content = bytearray(path.read_bytes())
    end = last + count + tag * int.from_bytes(content[last : last + count], "little")
    content[end : end + link] = first.to_bytes(link, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="expected each page once, got a page that follows itself"):
        read_tiff(path)
