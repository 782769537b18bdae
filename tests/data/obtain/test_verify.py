"""Lists of checksums, and what a comparison with them says."""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.obtain import digests, listing, obtain
from medseg_lab.data.obtain.digests import pixel_digest
from medseg_lab.data.obtain.listing import ends_like, is_macos_twin, kept
from medseg_lab.data.obtain.verify import verify


@pytest.fixture
def folder(tmp_path, files) -> Path:
    for name, content in files.items():
        path = tmp_path / "set" / name.split("/")[1]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "set"


def listed_as_part(monkeypatch) -> None:
    """The toy's list is now one of a part of the published set."""
    text = listing._text("toy.sha256")
    monkeypatch.setattr(listing, "_text", {"toy.part.sha256": text}.get)


def test_what_is_as_published_is_good(toy, folder):
    told = []
    verdict = verify(folder, toy(), lambda *step: told.append(step))
    assert verdict.good
    assert len(verdict.matching) == verdict.listed == 6
    assert str(verdict) == "files: 6 match"
    size = sum(p.stat().st_size for p in folder.iterdir())
    assert told[-1] == ("verify", size, size)
    verdict.require()


@pytest.mark.parametrize("part", [False, True])
def test_a_file_that_differs_is_an_error(toy, folder, monkeypatch, part):
    if part:
        listed_as_part(monkeypatch)
    (folder / "Image_01L.jpg").write_bytes(b"other")
    verdict = verify(folder, toy())
    assert verdict.differing == ("Image_01L.jpg",)
    assert str(verdict) == "files: 5 match, 1 differ"
    with pytest.raises(
        ValueError, match=r"set: expected the published checksums, got others for Image_01L\.jpg$"
    ):
        verdict.require()


def test_a_volume_gzipped_anew_is_the_same_where_its_content_is_known(tmp_path, monkeypatch):
    content = np.random.default_rng(0).integers(0, 4, 9999, np.uint8).tobytes()
    for name, level in (("a.gz", 1), ("b.gz", 9)):
        (tmp_path / name).write_bytes(gzip.compress(content, level))
    known = {"a.gz": digests.sha256(tmp_path / "a.gz")}
    assert not listing.Listing(known).matches("a.gz", tmp_path / "b.gz")
    known = listing.Listing(known, contents={"a.gz": hashlib.sha256(content).hexdigest()})
    assert known.matches("a.gz", tmp_path / "a.gz")
    assert known.matches("a.gz", tmp_path / "b.gz")
    for spoilt in (gzip.compress(content[:-1]), gzip.compress(content)[:-9], b"no gzip", content):
        (tmp_path / "c.gz").write_bytes(spoilt)
        assert not known.matches("a.gz", tmp_path / "c.gz")
    # A bomb is not unzipped to its end.
    monkeypatch.setattr(digests, "MAX_UNZIPPED", 9998)
    assert not known.matches("a.gz", tmp_path / "b.gz")
    with pytest.raises(ValueError, match=r"b\.gz: expected at most 9998 bytes unzipped"):
        digests.content_digest(tmp_path / "b.gz")


def test_a_file_that_is_absent_is_an_error_of_a_whole_set_and_none_of_a_part(toy, folder, monkeypatch):
    (folder / "Image_01L.jpg").unlink()
    verdict = verify(folder, toy())
    assert verdict.absent == ("Image_01L.jpg",)
    with pytest.raises(ValueError, match=r"set: expected all 6 files of the list, got no Image_01L\.jpg$"):
        verdict.require()
    listed_as_part(monkeypatch)
    verdict = verify(folder, toy())
    assert verdict.good
    assert str(verdict) == "files: 5 match, 1 absent (the list covers a part of the published set)"


def test_a_file_that_the_list_does_not_know_is_said_and_is_no_error(toy, folder):
    for name in ("Image_09L.jpg", "._Image_01L.jpg", "notes.txt"):
        (folder / name).write_bytes(b"x")
    verdict = verify(folder, toy())
    assert verdict.good
    assert verdict.unlisted == ("Image_09L.jpg",)
    assert str(verdict) == "files: 6 match, 1 not on the list"


def test_many_names_are_cut_short(toy, folder):
    for path in list(folder.iterdir())[:5]:
        path.unlink()
    with pytest.raises(ValueError, match=r"expected all 6 files of the list, got no .* and 2 more$"):
        verify(folder, toy()).require()


def test_a_card_without_files_cannot_be_verified(tmp_path):
    with pytest.raises(ValueError, match="virtual-brain: it has no files to get or to verify"):
        verify(tmp_path, load_card("virtual-brain"))


def test_patterns_match_the_end_of_a_path_part_by_part():
    patterns = ("labels/*.png", "images/*.png")
    for path in ("images/a.png", "deep/images/a.png", "labels/a.png"):
        assert ends_like(path.split("/"), patterns)
    for path in ("images/deep/a.png", "images", "a.png", "images/a.png/b", "myimages/a.png"):
        assert not ends_like(path.split("/"), patterns)
    assert is_macos_twin(("images", "._a.png"))
    assert is_macos_twin(("__MACOSX", "a.png"))


def save(path: Path, array: np.ndarray, **settings: object) -> Path:
    Image.fromarray(array).save(path, **settings)
    return path


def test_a_picture_written_anew_has_the_same_pixel_digest(tmp_path):
    array = np.random.default_rng(0).integers(0, 3, (9, 8), np.uint8)
    fast = save(tmp_path / "a.png", array, compress_level=1)
    small = save(tmp_path / "b.png", array, compress_level=9, optimize=True)
    assert digests.sha256(fast) != digests.sha256(small)
    assert pixel_digest(fast) == pixel_digest(small)


def test_pixel_digests_tell_values_shapes_and_types_apart(tmp_path):
    array = np.arange(72, dtype=np.uint8).reshape(9, 8)
    changed = array.copy()
    changed[3, 3] += 1
    arrays = (array, changed, array.reshape(8, 9), array.astype(np.uint16), np.stack([array] * 3, axis=-1))
    told = {pixel_digest(save(tmp_path / f"{n}.png", a)) for n, a in enumerate(arrays)}
    assert len(told) == 5


def test_a_pixel_digest_is_what_its_docstring_says(tmp_path):
    array = np.array([[1, 2], [3, 258]], np.uint16)
    content = b"2x2 uint16\n" + b"\x01\x00\x02\x00\x03\x00\x02\x01"
    assert pixel_digest(save(tmp_path / "a.png", array)) == hashlib.sha256(content).hexdigest()


def test_what_is_no_picture_or_too_large_a_one_is_named_and_differs(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"GIF89a no picture")
    with pytest.raises(ValueError, match=r"a\.png: expected a PNG"):
        pixel_digest(tmp_path / "a.png")
    assert not listing.Listing({"a.png": "0"}, pixels=True).matches("a.png", tmp_path / "a.png")
    monkeypatch.setattr(digests, "MAX_PIXELS", 71)
    with pytest.raises(ValueError, match=r"b\.png: expected a PNG of at most 71 pixels, got 8 x 9 pixels"):
        pixel_digest(save(tmp_path / "b.png", np.zeros((9, 8), np.uint8)))


@pytest.mark.parametrize("dataset", known_cards())
def test_a_list_names_only_what_its_card_keeps(dataset):
    card = load_card(dataset)
    known = listing.listing(card)
    if known is None:
        assert dataset in ("virtual-brain", "msd-brain-tumour")
        return
    assert known.pixels == (card.download.compare == "pixels")
    for name, digest in known.digests.items():
        assert ends_like(name.split("/"), card.download.keep)
        assert len(digest) == 64
    assert list(known.digests) == sorted(known.digests)


SETS = {
    "acdc": ("ACDC_training_volumes", 40, True),
    "chase-db1": ("CHASEDB1", 84, False),
    "dsb2018-nuclei": (".", 320, False),
    "lidc-4rater": ("LIDC-IDRI-slices", 3290, True),
    "msd-hippocampus": ("Task04_Hippocampus", 520, False),
}


@pytest.mark.parametrize("dataset", SETS)
def test_the_lists_are_those_of_the_files_at_hand(root, dataset):
    inner, count, part = SETS[dataset]
    folder = root.parent / "shared" / "data" / dataset / inner
    if not folder.is_dir():
        pytest.skip(f"no {dataset} beside the checkout")
    card = load_card(dataset)
    verdict = verify(folder, card)
    assert (len(verdict.matching), verdict.differing, verdict.absent) == (count, (), ())
    assert verdict.part == part
    assert verdict.unlisted == (("dataset.json",) if dataset == "msd-hippocampus" else ())
    there = sum((folder / name).stat().st_size for name in kept(folder, card.download.keep))
    assert there < obtain.UNPACKED * 1e6 * card.size_mb
    written = dict(reversed(line.split("  ")) for line in listing.written(folder, card).splitlines())
    known = listing.listing(card).digests
    assert {name: written[name] for name in known} == known
    for name, digest in list(listing.listing(card).contents.items())[::40]:
        assert hashlib.sha256(gzip.decompress((folder / name).read_bytes())).hexdigest() == digest


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_reads_the_lists(root):
    folder = root.parent / "shared" / "data" / "chase-db1" / "CHASEDB1"
    if not folder.is_dir():
        pytest.skip("no chase-db1 beside the checkout")
    file = root / "medseg_lab" / "data" / "checksums" / "chase-db1.sha256"
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", file], cwd=folder)
    assert done.returncode == 0


def test_kept_files_are_each_once(folder):
    assert list(kept(folder, ("*.jpg", "Image_*", "*.txt"))) == sorted(p.name for p in folder.iterdir())
