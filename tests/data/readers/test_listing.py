"""`dataset.json` is kept to: what it lists is read from where it lists it, and the rest is told."""

import json
import shutil

import numpy as np
import pytest

from medseg_lab.data.choose import choose
from medseg_lab.data.readers.folder import folder_doubts
from medseg_lab.data.readers.layout import read_layout
from tests.data.readers.layouts import save_nifti, save_picture


@pytest.fixture
def folder(make):
    """Three cases, a0_x, a1_x and a2_x, one file of an image each, and no list."""
    return make("msd-3d", cases=3).folder


def say(folder, **said):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | said), encoding="utf-8")


def pair(case, images="imagesTr", labels="labelsTr", start="./"):
    return {"image": f"{start}{images}/{case}.nii.gz", "label": f"{start}{labels}/{case}.nii.gz"}


def doubts(folder):
    return [what for where, what in read_layout(folder).doubts if where == "dataset.json"]


def split(folder, channels):
    """Every image in one file a channel, the same in all."""
    for path in list((folder / "imagesTr").iterdir()):
        for channel in range(channels):
            shutil.copy(path, path.with_name(path.name.replace(".nii.gz", f"_{channel:04d}.nii.gz")))
        path.unlink()


def test_a_folder_that_is_as_its_listing_says_has_no_doubts(folder):
    say(folder, numTraining=3, training=[pair(f"a{i}_x") for i in range(3)])
    assert folder_doubts(folder) == ()


def test_only_listed_cases_count_and_the_others_are_told(folder):
    say(folder, training=[pair("a1_x")])
    layout = read_layout(folder)
    assert list(layout.files) == ["a1_x"]
    assert doubts(folder) == ["leaves out 2 cases with files here: a0_x, a2_x"]


def test_a_wrong_number_of_cases_is_told(folder):
    say(folder, numTraining=5)
    assert doubts(folder) == ["numTraining is 5, but 3 cases can be used"]


def test_labels_are_read_from_where_they_are_listed(folder):
    other = np.zeros((9, 8, 5), np.uint8)
    other[0] = 3
    for i in range(3):
        save_nifti(folder / "labelsTr2" / f"a{i}_x.nii.gz", other)
    say(folder, training=[pair(f"a{i}_x", labels="labelsTr2") for i in range(3)])
    np.testing.assert_array_equal(choose(str(folder)).reader.read("a0_x").labels[0], other)
    assert doubts(folder) == ["lists labels in labelsTr2: those in labelsTr are not read"]


def test_images_and_labels_may_have_names_of_their_own(folder):
    (folder / "imagesTr" / "a0_x.nii.gz").rename(folder / "imagesTr" / "img0.nii.gz")
    say(folder, training=[{"image": "imagesTr/img0.nii.gz", "label": "labelsTr/a0_x.nii.gz"}])
    assert read_layout(folder).files["a0_x"].image == (folder / "imagesTr" / "img0.nii.gz",)


def test_paths_are_read_as_other_systems_write_them(folder):
    for start in ("", "./", ".\\", str(folder) + "/", "/home/joe/Task01/", "C:\\data\\Task01\\"):
        entry = pair("a0_x", start=start)
        if "\\" in start:
            entry = {key: path.replace("/", "\\") for key, path in entry.items()}
        say(folder, training=[entry])
        files = read_layout(folder).files["a0_x"]
        assert [path.resolve() for path in (*files.image, *files.labels)] == [
            (folder / part / "a0_x.nii.gz").resolve() for part in ("imagesTr", "labelsTr")
        ]
        moved = "has 2 paths of another machine: files of the same names in this folder are read"
        assert (moved in doubts(folder)) == ("Task01" in start)


def test_an_entry_may_leave_out_the_numbers_of_channels_as_nnunet_1_did(folder):
    split(folder, 2)
    say(folder, channel_names={"0": "T1", "1": "T2"}, training=[pair("a0_x")])
    assert [p.name for p in read_layout(folder).files["a0_x"].image] == [
        "a0_x_0000.nii.gz",
        "a0_x_0001.nii.gz",
    ]


def test_nnunet_2_lists_the_channels_of_each_case(folder):
    split(folder, 2)
    images = [f"imagesTr/a2_x_{channel:04d}.nii.gz" for channel in (1, 0)]
    say(
        folder,
        channel_names={"0": "T2", "1": "T1"},
        dataset={"second": {"images": images, "label": "labelsTr/a2_x.nii.gz"}},
    )
    files = read_layout(folder).files
    assert [path.name for path in files["second"].image] == ["a2_x_0001.nii.gz", "a2_x_0000.nii.gz"]
    assert choose(str(folder)).reader.read("second").image.shape == (2, 9, 8, 5)


def test_an_entry_that_is_the_image_alone_has_a_label_of_the_same_name(folder):
    say(folder, training=["./imagesTr/a0_x.nii.gz"])
    assert read_layout(folder).files["a0_x"].labels == (folder / "labelsTr" / "a0_x.nii.gz",)


@pytest.mark.parametrize("part", ["image", "label"])
def test_a_listed_file_that_is_not_there_is_refused_by_name(folder, part):
    say(folder, training=[pair("a0_x"), pair("a1_x") | {part: "elsewhere/a9_x.nii.gz"}])
    kind = {"image": "an image", "label": "a label"}[part]
    with pytest.raises(ValueError, match=rf"elsewhere/a9_x\.nii\.gz: no such file; {kind} is missing, which"):
        read_layout(folder)


@pytest.mark.parametrize("path", ["../../..", "/", "imagesTr", "imagesTr/a0_x.txt", "a\0.nrrd"])
def test_what_is_no_image_file_is_refused_as_it_is_listed(folder, path):
    say(folder, training=[pair("a0_x") | {"image": path}])
    with pytest.raises(ValueError, match=r"dataset\.json: expected files ending in \.nii\.gz, .*, got '"):
        read_layout(folder)


def test_a_name_that_no_system_allows_is_no_file(folder):
    say(folder, training=[pair("a" * 500)])
    with pytest.raises(ValueError, match="no such file; an image is missing"):
        read_layout(folder)


@pytest.mark.parametrize(
    "second",
    [pair("a0_x"), pair("a0_x", start=""), pair("a1_x") | {"label": "labelsTr/a0_x.nii.gz"}],
)
def test_a_file_that_is_listed_twice_is_refused(folder, second):
    say(folder, training=[pair("a0_x"), second])
    with pytest.raises(
        ValueError, match=r"dataset\.json: expected each file once .*, got .*a0_x\.nii\.gz again"
    ):
        read_layout(folder)


def test_two_cases_of_one_name_are_refused(folder):
    shutil.copytree(folder / "labelsTr", folder / "labelsTr2")
    say(folder, training=[pair("a0_x"), pair("a1_x") | {"label": "labelsTr2/a0_x.nii.gz"}])
    with pytest.raises(ValueError, match="expected each case once in the list, got 'a0_x' again"):
        read_layout(folder)


@pytest.mark.parametrize("listed", [False, True])
def test_files_of_channels_without_a_name_are_told(folder, listed):
    split(folder, 2)
    say(folder, training=[pair(f"a{i}_x") for i in range(3)] if listed else [])
    assert choose(str(folder)).reader.read("a0_x").image.shape == (1, 9, 8, 5)
    names = ", ".join(f"a{i}_x_0001.nii.gz" for i in range(3))
    assert doubts(folder) == [f"does not name all channels; files of others are left out: {names}"]


def test_numbers_at_the_end_of_a_case_are_no_channels(folder):
    """As in MSD-like sets of cases case_0000, case_0001, ... with whole images."""
    for part in ("imagesTr", "labelsTr"):
        for i in range(3):
            (folder / part / f"a{i}_x.nii.gz").rename(folder / part / f"case_{i:04d}.nii.gz")
    assert [files.image[0].name for files in read_layout(folder).files.values()] == [
        f"case_{i:04d}.nii.gz" for i in range(3)
    ]
    say(folder, training=[pair("case_0000")])
    assert doubts(folder) == ["leaves out 2 cases with files here: case_0001, case_0002"]


def test_a_case_and_a_channel_of_another_case_may_have_the_same_name(folder):
    """Cases `a` and `a_0000`, of which the image files are `a_0000` and `a_0000_0000`."""
    for part, end in (("imagesTr", "_0000"), ("labelsTr", "")):
        (folder / part / "a0_x.nii.gz").rename(folder / part / f"a{end}.nii.gz")
        (folder / part / "a1_x.nii.gz").rename(folder / part / f"a_0000{end}.nii.gz")
        (folder / part / "a2_x.nii.gz").unlink()
    files = read_layout(folder).files
    assert {case: found.image[0].name for case, found in files.items()} == {
        "a": "a_0000.nii.gz",
        "a_0000": "a_0000_0000.nii.gz",
    }


def test_files_that_are_no_images_are_passed_over(folder):
    for name in ("Thumbs.db", ".DS_Store", "._a0_x.nii.gz", "notes.txt", "a0_x.nii.gz.part"):
        for part in ("imagesTr", "labelsTr"):
            (folder / part / name).write_bytes(b"x")
    assert list(read_layout(folder).files) == ["a0_x", "a1_x", "a2_x"]
    assert doubts(folder) == []


def test_names_may_have_dots_and_endings_in_capitals(folder):
    for part in ("imagesTr", "labelsTr"):
        (folder / part / "a0_x.nii.gz").rename(folder / part / "1.2.840.nii_x.NII.GZ")
    say(folder, file_ending=".NII.gz")
    chosen = choose(str(folder))
    assert "1.2.840.nii_x" in chosen.reader.patients()
    assert chosen.reader.read("1.2.840.nii_x").image.shape == (1, 9, 8, 5)


def test_files_of_another_ending_than_stated_are_named(folder):
    say(folder, file_ending=".nii")
    with pytest.raises(
        ValueError, match=r"got no training pair; there are files in \.nii\.gz: is file_ending"
    ):
        read_layout(folder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_byte_order_mark_is_no_fault(folder, encoding):
    path = folder / "dataset.json"
    said = json.loads(path.read_text()) | {"name": "Hérz"}
    path.write_text(json.dumps(said, ensure_ascii=False), encoding=encoding)
    assert read_layout(folder).table["name"] == "Hérz"


@pytest.mark.parametrize(("encoding", "byte"), [("latin-1", "0xe9"), ("utf-16", "0xff")])
def test_another_encoding_is_one_clear_error(folder, encoding, byte):
    path = folder / "dataset.json"
    said = json.loads(path.read_text()) | {"name": "Hérz"}
    path.write_text(json.dumps(said, ensure_ascii=False), encoding=encoding)
    with pytest.raises(
        ValueError, match=rf"dataset\.json: expected text in UTF-8, got byte {byte} at .* save it as"
    ):
        read_layout(folder)


@pytest.mark.parametrize("ending", ["_seg", "-label", "_GT"])
def test_annotations_beside_images_are_no_cases(folder, ending):
    shutil.copy(folder / "labelsTr" / "a0_x.nii.gz", folder / "imagesTr" / f"a0_x{ending}.nii.gz")
    assert list(read_layout(folder).files) == ["a0_x", "a1_x", "a2_x"]
    assert doubts(folder) == [f"leaves out 1 case with files here: a0_x{ending}"]


def test_a_label_that_is_not_named_as_its_case_is_pointed_at(folder):
    (folder / "labelsTr" / "a0_x.nii.gz").rename(folder / "labelsTr" / "a0_x_seg.nii.gz")
    with pytest.raises(
        ValueError, match=r"labelsTr/a0_x\.nii\.gz: .*; a label is missing: is it a0_x_seg\?$"
    ):
        read_layout(folder)


def test_images_and_labels_with_numbers_are_listed_as_they_are(folder):
    """Neither img_0001 nor img_0002 is a channel of a case `img`."""
    for i in range(3):
        (folder / "imagesTr" / f"a{i}_x.nii.gz").rename(folder / "imagesTr" / f"img_{i:04d}.nii.gz")
        (folder / "labelsTr" / f"a{i}_x.nii.gz").rename(folder / "labelsTr" / f"label_{i:04d}.nii.gz")
    pairs = [
        {"image": f"imagesTr/img_{i:04d}.nii.gz", "label": f"labelsTr/label_{i:04d}.nii.gz"} for i in (0, 1)
    ]
    say(folder, training=pairs)
    assert [files.image[0].name for files in read_layout(folder).files.values()] == [
        "img_0000.nii.gz",
        "img_0001.nii.gz",
    ]
    assert doubts(folder) == ["leaves out 2 cases with files here: img_0002, label_0002"]


def test_the_first_channel_stands_for_all(folder):
    split(folder, 2)
    say(
        folder,
        channel_names={"0": "T1", "1": "T2"},
        training=[pair("a0_x") | {"image": "imagesTr/a0_x_0000.nii.gz"}],
    )
    assert len(read_layout(folder).files["a0_x"].image) == 2


@pytest.mark.parametrize("listed", [False, True])
def test_a_picture_may_have_all_its_colours_in_its_first_file(tmp_path, listed):
    """So nnU-Net 2 keeps natural images: three channels have names, and there is one file, _0000."""
    colours = np.random.default_rng(0).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    save_picture(tmp_path / "imagesTr" / "a_0000.PNG", colours)
    save_picture(tmp_path / "labelsTr" / "a.PNG", np.eye(5, 6, dtype=np.uint8))
    said = {"channel_names": dict(enumerate("RGB")), "labels": {"background": 0, "line": 1}}
    said |= {"file_ending": ".png", "numTraining": 1}
    said |= {"training": [{"image": "imagesTr/a_0000.PNG", "label": "labelsTr/a.PNG"}]} if listed else {}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    raw = choose(str(tmp_path)).reader.read("a")
    np.testing.assert_array_equal(raw.image, np.moveaxis(colours, -1, 0))
    assert folder_doubts(tmp_path) == ()


def test_a_picture_without_the_files_of_its_other_channels_is_not_taken_for_all_of_them(tmp_path):
    grey = np.arange(30, dtype=np.uint8).reshape(5, 6)
    for name in ("a_0000", "a_0001", "a_0002", "b_0000"):
        save_picture(tmp_path / "imagesTr" / f"{name}.png", grey)
    for name in "ab":
        save_picture(tmp_path / "labelsTr" / f"{name}.png", np.eye(5, 6, dtype=np.uint8))
    said = {"channel_names": dict(enumerate("XYZ")), "labels": {"background": 0, "line": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps(said | {"file_ending": ".png"}))
    with pytest.raises(ValueError, match=r"b_0000\.png: expected a file for each channel.*no _0001"):
        read_layout(tmp_path)
