"""A data set of two folders, from its draft card to its cases; and pictures in the nnU-Net layout."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from medseg_lab.data.choose import choose
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.own.inspection import inspect_folder, write_card
from medseg_lab.data.own.two_folders import home_of, inspect_pairs
from medseg_lab.data.readers.reader import Raw
from tests.data.readers.layouts import save_nifti, save_picture
from tests.data.readers.series import save_series

CASES = 10
SHAPE = (16, 24)


def image(i: int, channels: int | None = None) -> np.ndarray:
    shape = SHAPE if channels is None else (*SHAPE, channels)
    return np.random.default_rng(i).integers(0, 255, shape).astype(np.uint8)


def mask(i: int, value: int = 255) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[2 : 6 + i % 3, 4:12] = value
    return found


@pytest.fixture
def home(tmp_path) -> Path:
    """Ten grey pictures with masks that store 0 and 255."""
    folder = tmp_path / "nuclei"
    for i in range(CASES):
        save_picture(folder / "images" / f"img_{i}.png", image(i))
        save_picture(folder / "masks" / f"mask_{i}.png", mask(i))
    return folder


def added(folder: Path):
    """What `data add` finds in the two folders; its card is written."""
    _, found = inspect_pairs(folder / "images", folder / "masks", folder)
    write_card(found)
    return found


def read(folder: Path, case: str) -> Raw:
    return choose(str(folder)).reader.read(case)


def doubts(found) -> dict[str, str]:
    return dict(found.doubts)


def test_two_folders_are_a_data_set_by_the_card_that_is_written(home):
    found = added(home)
    raw = read(home, "3")
    assert (raw.image == image(3)[None]).all()
    assert (raw.labels == (mask(3) > 0)[None]).all()
    assert raw.spacing is None
    card = choose(str(home)).card
    assert (card.id, card.modality, card.spatial_dims, card.values) == ("nuclei", ("grey",), 2, (0, 255))
    assert (card.pairs.images, card.pairs.image_name) == ("images", r"img_(.+)\.png")
    assert card.preprocessing.patch == (16, 24)
    assert doubts(found)["all masks"].startswith("masks store 0 and 255: taken as background and foreground")
    assert not found.faults
    assert "# Check: all masks: masks store 0 and 255" in (home / "card.toml").read_text()


def test_the_data_set_can_be_moved_and_prepared_for_training(home):
    added(home)
    moved = home.rename(home.with_name("elsewhere"))
    cohort = load_cohort(str(moved))
    assert {tuple(case.image.shape) for case in cohort.labelled} == {(1, *SHAPE)}


def test_what_has_no_counterpart_is_told_and_left_out(home):
    (home / "masks" / "mask_4.png").unlink()
    save_picture(home / "masks" / "mask_spare.png", mask(0))
    assert doubts(added(home))["img_4.png"] == "has no mask: left out"
    assert doubts(inspect_pairs(home / "images", home / "masks", home / "other")[1])["mask_spare.png"]
    assert sorted(choose(str(home)).reader.patients()) == [str(i) for i in range(CASES) if i != 4]


def test_grey_pictures_among_colours_are_told_and_read_as_colours(home):
    for i in range(7):
        save_picture(home / "images" / f"img_{i}.png", image(i, 3))
    grey = np.dstack([image(7)] * 3)
    save_picture(home / "images" / "img_7.png", grey)
    told = doubts(added(home))["img_7.png, img_8.png, img_9.png"]
    assert told == "grey, as 3 of 10 images: read as equal red, green and blue"
    assert choose(str(home)).card.modality == ("red", "green", "blue")
    assert (read(home, "8").image == image(8)[None]).all()
    assert read(home, "8").image.shape == read(home, "7").image.shape == (3, *SHAPE)


def test_grey_stored_as_colours_is_one_channel(home):
    for i in range(CASES):
        save_picture(home / "images" / f"img_{i}.png", np.dstack([image(i)] * 3))
    added(home)
    assert (read(home, "2").image == image(2)[None]).all()


def test_images_of_several_depths_are_told(home):
    save_picture(home / "images" / "img_0.png", image(0).astype(np.uint16) * 256)
    assert doubts(added(home))["all images"] == "numbers of several types: 9 uint8, 1 uint16"


def test_a_picture_that_a_camera_turned_is_told_and_a_mask_that_is_not_is_refused(home):
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(CASES):
        save_picture(home / "images" / f"img_{i}.png", np.rot90(image(i)), exif=exif)
    assert "EXIF" in doubts(added(home))["img_0.png, img_1.png, img_2.png, img_3.png, img_4.png and 5 more"]
    assert (read(home, "1").image == image(1)[None]).all()
    save_picture(home / "masks" / "mask_1.png", np.rot90(mask(1)))
    with pytest.raises(
        ValueError, match=r"img_1\.png: .*another order \(is one turned\? a camera's EXIF tag"
    ):
        read(home, "1")


def test_a_case_that_cannot_be_read_is_a_fault_and_the_others_are_found(home):
    (home / "images" / "img_5.png").write_bytes(b"")
    save_picture(home / "images" / "img_6.jpg", image(6)).rename(home / "images" / "img_6.png")
    faults = dict(added(home).faults)
    assert "img_5.png: expected an image or a label, got an empty file" in faults["5"]
    assert "img_6.png: expected a PNG file, got JPEG" in faults["6"]


def test_a_stack_among_pictures_is_a_fault_of_its_case(home):
    for i in range(CASES):
        (home / "images" / f"img_{i}.png").unlink()
        stack = np.stack([image(i)] * 5) if i == 3 else image(i)
        tifffile.imwrite(home / "images" / f"img_{i}.tif", stack)
    found = added(home)
    assert found.card.spatial_dims == 2
    assert [case for case, _ in found.faults] == ["3"]
    assert "img_3.tif: expected the label's shape (16, 24), got (5, 16, 24)" in dict(found.faults)["3"]


def test_a_stack_has_its_spacing_from_its_tags_and_is_cut_across_its_first_axis(tmp_path):
    how = {"resolution": (2, 2), "imagej": True, "metadata": {"axes": "ZYX", "spacing": 3, "unit": "mm"}}
    for i in range(CASES):
        for part, array in (("images", image(i)), ("masks", mask(i, 1))):
            (tmp_path / part).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / part / f"{i}.tif", np.stack([array, array[::-1]]), **how)
    added(tmp_path)
    raw, card = read(tmp_path, "0"), choose(str(tmp_path)).card
    assert raw.image.shape == (1, 2, *SHAPE)
    assert raw.spacing == (3, 0.5, 0.5)
    assert (card.spatial_dims, card.preprocessing.slice_axis) == (3, 0)


def test_a_stack_without_spacing_is_told_and_the_card_may_say_it(tmp_path):
    for i in range(CASES):
        for part, array in (("images", image(i)), ("masks", mask(i, 1))):
            (tmp_path / part).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / part / f"{i}.tif", np.stack([array] * 6), metadata={"axes": "ZYX"})
    assert "`voxel_mm`" in doubts(added(tmp_path))["all images"]
    assert choose(str(tmp_path)).card.preprocessing.slice_axis == 0
    path = tmp_path / "card.toml"
    path.write_text(
        path.read_text().replace('reader = "folders"', 'reader = "folders"\nvoxel_mm = [3, 0.5, 0.5]')
    )
    assert read(tmp_path, "0").spacing == (3, 0.5, 0.5)


@pytest.mark.parametrize("masks_are", ["nifti", "series"])
def test_series_are_cases_with_masks_on_their_grid(tmp_path, masks_are):
    """A NIfTI mask has the affine of its series, in any orientation."""
    where = np.array([[-0.5, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])
    rng = np.random.default_rng(0)
    for i in range(CASES):
        voxels, labels = rng.integers(0, 99, (6, 5, 4)).astype(np.int16), np.zeros((6, 5, 4), np.int16)
        labels[1:4, 1:4, 1:4] = 1
        save_series(tmp_path / "images" / f"p{i}", voxels, RescaleIntercept=-1024, RescaleSlope=1)
        if masks_are == "series":
            save_series(tmp_path / "masks" / f"p{i}", labels)
        else:
            flipped = where @ np.diag([-1.0, 1, 1, 1])
            flipped[:3, 3] = (where @ [5, 0, 0, 1])[:3]
            path = save_nifti(tmp_path / "masks" / f"p{i}_seg.nii.gz", labels)
            import nibabel as nib

            nib.save(nib.Nifti1Image(labels[::-1].astype(np.uint8), flipped), path)
    added(tmp_path)
    raw = read(tmp_path, "p9")
    # to the right and front, where the series goes to the left and back
    assert (raw.image[0] == voxels[::-1, ::-1] - 1024.0).all()
    assert (raw.labels[0] == labels[::-1, ::-1]).all()
    assert raw.spacing == (0.5, 0.5, 3.0)


def test_the_digest_of_a_series_is_of_all_its_files(tmp_path):
    for part in ("images", "masks"):
        for i in range(CASES):
            save_series(tmp_path / part / f"p{i}", np.arange(24).reshape(2, 3, 4) % 2)
    added(tmp_path)
    reader = choose(str(tmp_path)).reader
    before = reader.digest("p0")
    (tmp_path / "images" / "p0" / "g.dcm").write_bytes(b"one more")
    assert reader.digest("p0") != before


def test_the_card_is_written_where_both_folders_are_or_where_told(home, tmp_path):
    assert home_of(home / "images", home / "masks") == home
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"expected two folders inside one, .* say with -o FOLDER where"):
        home_of(home / "images", tmp_path / "other")
    added(home)
    with pytest.raises(ValueError, match=r"nuclei/card\.toml: there is a card already"):
        inspect_pairs(home / "images", home / "masks", home)


@pytest.fixture
def layout(tmp_path) -> Callable[..., Path]:
    """Ten pictures in the nnU-Net layout, `layout(value, channels)`."""

    def build(value: int = 1, channels: int | None = None, ending: str = ".png") -> Path:
        names = ["R", "G", "B"] if channels else ["grey"]
        for i in range(CASES):
            save_picture(tmp_path / "imagesTr" / f"c_{i}_0000{ending}", image(i, channels))
            save_picture(tmp_path / "labelsTr" / f"c_{i}{ending}", mask(i, value))
        said = {"channel_names": dict(enumerate(names)), "labels": {"background": 0, "cell": 1}}
        (tmp_path / "dataset.json").write_text(
            json.dumps(said | {"file_ending": ending, "numTraining": CASES})
        )
        return tmp_path

    return build


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("channels", [None, 3])
def test_pictures_in_the_nnunet_layout_are_a_2d_data_set(layout, ending, channels):
    """A picture in colour is one file that is named as its first channel."""
    folder = layout(1, channels, ending)
    chosen = choose(str(folder))
    raw = chosen.reader.read("c_4")
    assert chosen.card.spatial_dims == 2
    assert (raw.image == np.moveaxis(np.atleast_3d(image(4, channels)), -1, 0)).all()
    assert (raw.labels == mask(4, 1)[None]).all()


def test_other_values_than_the_classes_are_refused_until_the_card_has_them(layout):
    folder = layout(255)
    with pytest.raises(ValueError, match=r"c_0\.png: .* got \[0, 255\]; .* `medseg data add` proposes it"):
        read(folder, "c_0")
    found = inspect_folder(folder)
    write_card(found)
    assert (
        doubts(found)["all masks"]
        == "masks store 0 and 255: taken as background and cell; see `values` in the card"
    )
    assert (read(folder, "c_0").labels == mask(0, 1)[None]).all()


def test_what_the_card_says_of_values_and_voxels_counts_for_what_is_kept_on_disk(home):
    from medseg_lab.data.loading import Loader

    added(home)
    chosen = choose(str(home))

    def key(**change: object) -> str:
        card = chosen.card.model_copy(update=change)
        return Loader(card, chosen.reader, {})._key("0", "files", "image")

    changes = [{}, {"values": ()}, {"unknown": 7}, {"voxel_mm": (1.0, 2.0)}]
    assert len({key(**change) for change in changes}) == len(changes)


def test_volumes_that_are_cut_along_another_axis_are_told(tmp_path):
    for i in range(4):
        spacing = (1.0, 2.5, 1.0) if i == 3 else (1.0, 1.0, 2.5)
        label = np.zeros((6, 6, 6), np.uint8)
        label[2:4, 2:4, 2:4] = 1
        scan = label + np.random.default_rng(i).random((6, 6, 6)).astype(np.float32)
        save_nifti(tmp_path / "images" / f"{'abcd'[i]}.nii.gz", scan, spacing)
        save_nifti(tmp_path / "masks" / f"{'abcd'[i]}.nii.gz", label, spacing)
    _, found = inspect_pairs(tmp_path / "images", tmp_path / "masks", tmp_path)
    assert doubts(found)["d"].startswith("slices are thick along another axis than axis 2")
