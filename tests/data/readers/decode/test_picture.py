"""Damaged and inconsistent PNG and JPEG pictures."""

import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.data.readers.damage import png_chunks, png_file
from tests.data.readers.layouts import save_picture
from tests.data.readers.refusals import PNG, refused


@pytest.mark.parametrize("edge", [30_000, 2**31 - 1])
@pytest.mark.parametrize("layout", PNG)
def test_a_picture_that_claims_absurd_dimensions(make, layout, edge):
    made = make(layout)
    found = png_chunks(made.file("label").read_bytes())
    found[0] = (b"IHDR", struct.pack(">II", edge, edge) + found[0][1][8:])
    made.file("label").write_bytes(png_file(found))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(made, "label", rf"got a header that claims shape \({edge}, {edge}\)")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_photograph_that_claims_absurd_dimensions(make):
    made = make("chase")
    content = bytearray(made.file("image").read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 65000, 65000)
    made.file("image").write_bytes(content)
    refused(
        made, "image", r"expected 1 to 1073741824 voxels, got a header that claims shape \(65000, 65000\)"
    )


def test_a_photograph_of_thousands_of_scans(make):
    made = make("chase")
    rng = np.random.default_rng(0)
    save_picture(made.file("image"), rng.integers(0, 255, (16, 12, 3)).astype(np.uint8), progressive=True)
    made.reader.read(made.first)
    content = made.file("image").read_bytes()
    at = content.rindex(b"\xff\xda")
    made.file("image").write_bytes(content[:at] + content[at:-2] * 2000 + content[-2:])
    refused(made, "image", r"expected a JPEG of at most 64 scans, got \d+")


@pytest.mark.parametrize("layout", PNG)
def test_a_flipped_bit_inside_png_is_seen_by_its_checksum(make, layout):
    made = make(layout)
    content = bytearray(made.file("label").read_bytes())
    content[content.index(b"IDAT") + 12] ^= 1
    made.file("label").write_bytes(content)
    refused(made, "label", "expected a complete, readable PNG picture")


@pytest.mark.parametrize(("layout", "mode"), [("chase", "L"), ("lidc", "RGB"), ("nuclei", "RGBA")])
def test_a_picture_in_other_colours(make, layout, mode):
    made = make(layout)
    Image.new(mode, (12, 16)).save(made.file("image"))
    refused(made, "image", f"expected pixels (RGB|L), got '{mode}'$")


def test_palette_colours_are_no_labels(make):
    made = make("nuclei")
    Image.fromarray(np.eye(16, 12, dtype=np.uint8)).convert("P").save(made.file("label"))
    refused(made, "label", "expected pixels I;16 or L, got 'P'")


def test_a_text_that_unpacks_to_megabytes_is_no_bomb(make):
    made = make("lidc")
    found = png_chunks(made.file("image").read_bytes())
    found.insert(1, (b"zTXt", b"x\0\0" + zlib.compress(bytes(200_000_000))))
    made.file("image").write_bytes(png_file(found))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(made, "image", "expected a complete, readable PNG picture")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
