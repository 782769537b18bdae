"""From a mask a nucleus to one label picture an image."""

import numpy as np
import pytest
from PIL import Image

from medseg_lab.data.obtain import nuclei
from medseg_lab.data.obtain.nuclei import convert, instances, is_dark_fluorescence

GREY = np.full((256, 256), 40, np.uint8)


def rgba(grey: np.ndarray) -> np.ndarray:
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def save(path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def mask(rows: slice, columns: slice) -> np.ndarray:
    array = np.zeros((256, 256), np.uint8)
    array[rows, columns] = 255
    return array


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Images a to f; b is too bright, c is coloured, d has another size; two are to be kept of a, e, f."""
    monkeypatch.setattr(nuclei, "IMAGES", 2)
    coloured = rgba(GREY)
    coloured[0, 0, 2] += 1
    pictures = {
        "a": rgba(GREY),
        "b": rgba(GREY + 88),
        "c": coloured,
        "d": rgba(GREY)[:, :255],
        "e": rgba(GREY + 87),
        "f": rgba(GREY),
    }
    for name, picture in pictures.items():
        save(tmp_path / "in" / name / "images" / f"{name}.png", picture)
        save(tmp_path / "in" / name / "masks" / "9.png", mask(slice(0, 4), slice(0, 4)))
        save(tmp_path / "in" / name / "masks" / "10.png", mask(slice(3, 6), slice(3, 6)))
    return tmp_path / "in"


def test_the_first_dark_grey_images_of_the_size_are_kept(published, tmp_path):
    convert(published, tmp_path / "out")
    for kind in ("images", "labels"):
        assert sorted(p.name for p in (tmp_path / "out" / kind).iterdir()) == ["a.png", "e.png"]
    image = np.asarray(Image.open(tmp_path / "out" / "images" / "e.png"))
    assert image.dtype == np.uint8
    assert (image == 127).all()


def test_nuclei_are_numbered_in_the_order_of_their_files_and_the_first_keeps_what_two_claim(
    published, tmp_path
):
    convert(published, tmp_path / "out")
    labels = np.asarray(Image.open(tmp_path / "out" / "labels" / "a.png"))
    assert labels.dtype == np.uint16
    # "10.png" comes before "9.png": 9 pixels of it, and 16 - 1 of the other.
    assert [int((labels == n).sum()) for n in (1, 2, 3)] == [9, 15, 0]
    assert labels[3, 3] == 1


def test_each_of_more_nuclei_than_8_bits_hold_has_the_number_of_its_file(tmp_path):
    for number in range(260):
        row, column = divmod(number, 200)
        save(tmp_path / f"{number:03d}.png", mask(slice(row, row + 1), slice(column, column + 1)))
    labels = instances(tmp_path)
    assert labels[0, :200].tolist() == list(range(1, 201))
    assert labels[1, :60].tolist() == list(range(201, 261))
    assert (labels > 0).sum() == 260


def test_too_few_images_are_an_error(published, tmp_path, monkeypatch):
    monkeypatch.setattr(nuclei, "IMAGES", 4)
    with pytest.raises(ValueError, match=r"in: expected at least 4 dark grey images .*, got 3"):
        convert(published, tmp_path / "out")


def test_a_mask_of_another_shape_and_an_image_without_masks_are_named(published, tmp_path):
    save(published / "a" / "masks" / "9.png", GREY[1:])
    with pytest.raises(ValueError, match=r"a/masks/9\.png: expected shape \(256, 256\), got \(255, 256\)"):
        convert(published, tmp_path / "out")
    for path in (published / "a" / "masks").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"a/masks: expected a mask for each nucleus, got none"):
        convert(published, tmp_path / "other")


def test_a_grey_image_without_colours_counts_as_grey():
    assert is_dark_fluorescence(GREY)
    assert not is_dark_fluorescence(GREY.astype(np.uint16))
    assert not is_dark_fluorescence(GREY + 100)
