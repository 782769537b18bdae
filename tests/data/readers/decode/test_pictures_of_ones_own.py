"""Pictures in any of their pixel formats: what is read of an image, what of a mask, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_lab.data.readers.decode.picture import is_turned, read_colours, read_values
from medseg_lab.data.readers.decode.volume import read_mask, read_volume
from tests.data.readers.damage import png_file
from tests.data.readers.layouts import save_picture

GREY = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)
COLOURS = np.stack([GREY, GREY // 2, GREY // 5], -1)
LABELS = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)


def with_palette(path: Path, colours: list[int]) -> Path:
    picture = Image.fromarray(LABELS)
    picture.putpalette(colours)
    picture.save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "PNG"])
def test_grey_is_one_channel_and_colour_three(tmp_path, ending):
    grey = save_picture(tmp_path / f"grey.{ending}", GREY)
    colour = save_picture(tmp_path / f"colour.{ending}", COLOURS)
    assert (read_volume(grey).voxels == GREY[None]).all()
    assert (read_volume(colour).voxels == np.moveaxis(COLOURS, -1, 0)).all()
    assert read_volume(grey).affine is read_volume(grey).spacing is None


def test_sixteen_bits_keep_their_values(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    assert (read_colours(save_picture(tmp_path / "a.png", deep)) == deep).all()


def test_a_palette_is_colours_in_an_image_and_labels_in_a_mask(tmp_path):
    path = with_palette(tmp_path / "a.png", [10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert read_colours(path)[:, 0, 1].tolist() == [40, 50, 60]
    assert (read_values(path) == LABELS).all()


@pytest.mark.parametrize("array", [LABELS, np.stack([LABELS] * 3, -1)], ids=["grey", "equal colours"])
def test_a_mask_may_be_stored_as_equal_colours_with_opaque_alpha(tmp_path, array):
    opaque = np.full_like(LABELS, 255)
    pixels = np.dstack([array, opaque])
    path = save_picture(tmp_path / "a.png", pixels)
    assert (read_mask(path).voxels == LABELS[None]).all()


def test_transparent_pixels_are_refused_with_their_share(tmp_path):
    alpha = np.full_like(GREY, 255)
    alpha[0] = 0
    path = save_picture(tmp_path / "a.png", np.dstack([COLOURS, alpha]))
    with pytest.raises(ValueError, match=r"a\.png: expected an opaque picture, .* below 255 for 50% of its"):
        read_colours(path)


def test_colours_are_no_labels(tmp_path):
    path = save_picture(tmp_path / "a.png", COLOURS)
    with pytest.raises(ValueError, match="expected one number per pixel, got 3 channels that differ"):
        read_values(path)


def test_a_jpeg_is_no_mask(tmp_path):
    path = save_picture(tmp_path / "a.jpg", LABELS)
    with pytest.raises(ValueError, match=r"a\.jpg: .* got a JPEG, which changes label values"):
        read_mask(path)


@pytest.mark.parametrize(
    ("orientation", "shown"), [(1, GREY), (3, GREY[::-1, ::-1]), (6, np.rot90(GREY, -1))]
)
def test_a_picture_is_turned_as_viewers_show_it(tmp_path, orientation, shown):
    """Orientation 6: the camera was held so that the picture is to be turned clockwise."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save_picture(tmp_path / "a.png", GREY, exif=exif)
    assert (read_colours(path)[0] == shown).all()
    assert (read_values(path) == shown).all()
    assert is_turned(path) == (orientation != 1)


def test_a_deep_colour_picture_is_refused_rather_than_halved(tmp_path):
    """Pillow reads the upper byte of such colours and drops the lower one without a word."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + bytes(range(12)))
    path = tmp_path / "a.png"
    path.write_bytes(png_file([(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]))
    with pytest.raises(ValueError, match="expected colours of 8 bits a channel, got 16"):
        read_colours(path)


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1])]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="expected one picture, got an animation of 2 frames"):
        read_colours(tmp_path / "a.png")


def test_print_colours_are_refused(tmp_path):
    Image.fromarray(COLOURS).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="expected pixels in grey, RGB or of a palette, got 'CMYK'"):
        read_colours(tmp_path / "a.jpg")


def test_a_picture_named_as_another_format_is_named(tmp_path):
    save_picture(tmp_path / "a.png", GREY).rename(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg: expected a JPEG file, got PNG"):
        read_volume(tmp_path / "a.jpg")


@pytest.mark.parametrize("edge", [60_000, 2**31 - 1])
def test_a_bmp_that_claims_absurd_dimensions(tmp_path, edge):
    path = save_picture(tmp_path / "a.bmp", GREY)
    content = bytearray(path.read_bytes())
    content[18:26] = edge.to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.bmp: expected .*\({edge}, {edge}\)"):
        read_volume(path)


def test_a_cut_bmp_is_one_error(tmp_path):
    path = save_picture(tmp_path / "a.bmp", np.zeros((40, 40), np.uint8))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"a\.bmp: expected a complete, readable BMP picture, got"):
        read_volume(path)
