"""A folder of your own is inspected, and gets a draft card that the library accepts."""

import errno
import json
import os
import re
import shutil
import tomllib

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medseg_lab.data.card import Card
from medseg_lab.data.choose import choose
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.own.inspection import check_folder, guess_patient, inspect_folder, write_card
from medseg_lab.data.readers.folder import folder_card
from tests.data.conftest import save


@pytest.mark.parametrize(
    ("cases", "patients"),
    [
        (["patient001_frame01", "patient001_frame12", "patient002_frame01"], 2),
        (["LIDC-IDRI-0001_nodule-0", "LIDC-IDRI-0001_nodule-1", "LIDC-IDRI-0003_nodule-0"], 2),
        (["Image_01L", "Image_01R", "Image_02L", "Image_02R"], 2),
        (["sub-1_ses-1", "sub-1_ses-2", "sub-10_ses-1"], 2),
        (["subject12", "subject12b", "subject13"], 2),
        (["001_0", "001_1", "002_0"], 2),
        (["smith_1", "smith_2", "jones_1"], 2),
        (["hippocampus_001", "hippocampus_002", "hippocampus_003"], 3),
        (["BRATS19_001", "BRATS19_002"], 2),
        (["a", "b", "c"], 3),
    ],
)
def test_patients_are_guessed_from_the_ids(cases, patients):
    expression, rule = guess_patient(cases)
    found = {re.fullmatch(expression, case)[1] for case in cases}
    assert len(found) == patients
    assert ("every case" in rule) == (patients == len(cases))


def test_the_draft_is_a_card_that_is_then_used_with_what_a_person_edits(msd_folder):
    folder = msd_folder(6)
    before = folder_card(folder)
    path = write_card(inspect_folder(folder))
    card = Card.model_validate(tomllib.loads(path.read_text()))
    assert card.classes == ("background", "front", "back")
    assert card.preprocessing == before.preprocessing
    assert card.patient_rule
    chosen = choose(str(folder))
    assert chosen.card == card
    assert len(chosen.reader.patients()) == 6
    path.write_text(path.read_text().replace('title = "Toy"', 'title = "Our own"'))
    assert choose(str(folder)).card.title == "Our own"


def rename(folder, names):
    """The cases `toy_000`, ... by these names; dataset.json lists none."""
    for part in ("imagesTr", "labelsTr"):
        for i, name in enumerate(names):
            (folder / part / f"toy_{i:03d}.nii.gz").rename(folder / part / f"{name}.nii.gz")
    edit(folder, training=[])


def edit(folder, **said):
    """dataset.json with other values; labels are added to those that are there."""
    table = json.loads((folder / "dataset.json").read_text())
    said["labels"] = {**table["labels"], **said.get("labels", {})}
    (folder / "dataset.json").write_text(json.dumps({**table, **said}))


def relabel(folder, case, change):
    """The label volume of a case, changed in place."""
    path = folder / "labelsTr" / f"{case}.nii.gz"
    voxels = np.array(np.asanyarray(nib.load(path).dataobj))
    change(voxels)
    save(path, voxels)


def test_too_few_patients_by_the_guessed_rule_is_what_training_refuses(msd_folder):
    folder = msd_folder(6)
    rename(folder, [f"site{site}_{i:02d}" for site in "AB" for i in range(3)])
    found = inspect_folder(folder)
    (where, what), *_ = found.faults
    assert where == "all cases"
    assert what.startswith("6 cases of 2 patients by the rule 'the id without its last number'; ")
    assert "need 5 patients: if they are more, edit `patient` in the card" in what
    write_card(found)
    with pytest.raises(ValueError, match="Task99_Toy: split: expected 5 patients"):
        load_cohort(str(folder))


def test_too_few_cases_are_told_without_a_rule(msd_folder):
    faults = inspect_folder(msd_folder(4)).faults
    assert faults == [("all cases", "4 cases; training, validation and test need 5 patients")]


def test_one_image_of_two_patients_is_what_training_refuses(msd_folder):
    folder = msd_folder(6)
    shutil.copy(folder / "imagesTr" / "toy_000.nii.gz", folder / "imagesTr" / "toy_003.nii.gz")
    said = ("toy_000, toy_003", "the same image belongs to 2 patients, toy_000, toy_003")
    assert inspect_folder(folder).faults == [said]
    with pytest.raises(ValueError, match=r"Task99_Toy: cases toy_00[03] and toy_00[03]"):
        load_cohort(str(folder))


def test_one_image_twice_of_one_patient_is_no_fault(msd_folder):
    folder = msd_folder(20)
    rename(folder, [f"patient{i // 4}_{i % 4}" for i in range(20)])
    shutil.copy(folder / "imagesTr" / "patient0_0.nii.gz", folder / "imagesTr" / "patient0_3.nii.gz")
    assert inspect_folder(folder).faults == []


def test_cases_left_open_everywhere_are_what_training_refuses(msd_folder):
    folder = msd_folder(6, nnunet=True)
    edit(folder, labels={"ignore": 3})

    def leave_open(voxels):
        voxels[...] = 3

    def leave_a_row_open(voxels):
        voxels[0, 0, :] = 3

    relabel(folder, "toy_002", leave_open)
    relabel(folder, "toy_005", leave_open)
    relabel(folder, "toy_001", leave_a_row_open)
    found = inspect_folder(folder)
    said = "no voxel is annotated (all are `ignore`): nothing to learn from or to score"
    assert found.faults == [("toy_002, toy_005", said)]
    # 2 x 1210 voxels and a row of 11, of 2 x (990 + 1100 + 1210)
    assert (
        f"not annotated (`ignore`): {100 * 2431 / 6600:.3g}% of all voxels, in 3 cases"
        in dict(found.rows())["labels"]
    )


def test_a_class_that_a_part_lacks_is_named_with_what_follows(msd_folder):
    folder = msd_folder(6)
    cohort = load_cohort(str(folder))
    lacking = {case.id for case in (*cohort.validation, *cohort.open_test("which they are"))}

    def without_back(voxels):
        voxels[voxels == 2] = 0

    for case in lacking:
        relabel(folder, case, without_back)
    assert inspect_folder(folder).doubts[:2] == [
        ("back", "class 2 is in no validation case: it cannot be scored there"),
        ("back", "class 2 is in no test case: it cannot be scored there"),
    ]


def test_regions_of_a_label_table_are_what_is_scored(msd_folder):
    folder = msd_folder(6, nnunet=True)
    edit(folder, labels={"front": [1, 2], "back": [2]})
    found = inspect_folder(folder)
    assert found.card.scored_regions == {"front": (1, 2), "back": (2,)}
    assert dict(found.rows())["scored"].splitlines()[:2] == ["front = label 1 + label 2", "back = label 2"]
    card = write_card(found).read_text()
    assert 'scored = "regions" # check: ' in card
    assert choose(str(folder)).card.scored_regions == found.card.scored_regions


def test_classes_are_what_is_scored_without_regions(msd_folder):
    found = inspect_folder(msd_folder(6, nnunet=True))
    assert (found.card.scored_regions, dict(found.rows())["scored"]) == ({}, "front, back")


def test_a_case_that_cannot_be_prepared_is_what_training_refuses(msd_folder):
    folder = msd_folder(6)
    for part in ("imagesTr", "labelsTr"):
        volume = np.asanyarray(nib.load(folder / part / "toy_001.nii.gz").dataobj)
        save(folder / part / "toy_001.nii.gz", volume, (100.0, 100.0, 100.0))
    (fault,) = inspect_folder(folder).faults
    assert fault[0] == "toy_001"
    assert "expected at most" in fault[1]


def test_the_draft_groups_by_patient_and_says_what_to_check(msd_folder):
    folder = msd_folder(6)
    for part in ("imagesTr", "labelsTr"):
        for i in range(6):
            old = folder / part / f"toy_{i:03d}.nii.gz"
            old.rename(old.with_name(f"patient{i // 2:03d}_frame{i % 2:02d}.nii.gz"))
    table = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**table, "training": []}))
    found = inspect_folder(folder)
    assert dict(found.patients())["patient001"] == "patient001_frame00, patient001_frame01"
    text = write_card(found).read_text()
    assert "# check: regular expression for a case's whole name" in text
    assert "# check: what you may do with it" in text
    assert len(set(choose(str(folder)).reader.patients().values())) == 3


def test_a_corrected_card_is_checked_as_it_says_and_kept(msd_folder):
    folder = msd_folder(6)
    with pytest.raises(ValueError, match=r"expected a card\.toml, got none; write one: medseg data add"):
        check_folder(folder)
    card = write_card(inspect_folder(folder))
    assert check_folder(folder).faults == []
    text = card.read_text().replace("patient = '(.+)'", "patient = '(.+)[0-9]'")
    card.write_text(text)
    ((where, said),) = check_folder(folder).faults
    assert (where, said[:24]) == ("all cases", "6 cases of 1 patient by ")
    assert card.read_text() == text


def test_a_card_is_never_overwritten(msd_folder):
    folder = msd_folder(6)
    found = inspect_folder(folder)
    (folder / "card.toml").write_text("mine")
    for call in (lambda: inspect_folder(folder), lambda: write_card(found)):
        with pytest.raises(ValueError, match=r"card\.toml: there is a card already"):
            call()
    assert (folder / "card.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("code", "said"), [(errno.EACCES, "this user may not write there"), (errno.ENOSPC, "the disk is full")]
)
def test_a_card_that_cannot_be_written_is_one_error_and_leaves_nothing(msd_folder, monkeypatch, code, said):
    folder = msd_folder(6)
    found, before = inspect_folder(folder), sorted(folder.iterdir())

    def fails(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(RuntimeError, match=rf"card\.toml: {said}"):
            write_card(found)
    assert sorted(folder.iterdir()) == before


def test_what_looks_wrong_is_pointed_out(msd_folder):
    folder = msd_folder(6)
    image = np.random.default_rng(0).normal(100, 20, (9, 10, 11)).astype(np.float32)
    save(folder / "labelsTr" / "toy_000.nii.gz", np.full((9, 10, 11), 7, np.uint8))
    save(folder / "labelsTr" / "toy_003.nii.gz", np.zeros((9, 10, 11), np.uint8), (5.0, 1.0, 1.0))
    save(folder / "imagesTr" / "toy_003.nii.gz", image, (5.0, 1.0, 1.0))
    table = json.loads((folder / "dataset.json").read_text())
    table["labels"]["3"] = "tail"
    (folder / "dataset.json").write_text(json.dumps(table))
    warnings = inspect_folder(folder).warnings
    assert "toy_000.nii.gz: expected" in dict(warnings)["toy_000"]
    assert ("toy_003", "spacing 5 x 1 x 1 mm, where the median is 1 x 1 x 1 mm") in warnings
    assert ("toy_003", "nothing is marked") in warnings
    assert ("tail", "no case has a voxel of class 3") in warnings
    assert "toy_001" not in dict(warnings)


def test_a_damaged_case_is_named_in_the_draft_on_one_line(msd_folder):
    folder = msd_folder(6)
    (folder / "imagesTr" / "toy_002.nii.gz").write_bytes(b"no volume")
    text = write_card(inspect_folder(folder)).read_text()
    (line,) = [line for line in text.splitlines() if "toy_002" in line]
    assert line.startswith("# Check: toy_002: ")


def test_damaged_images_and_labels_are_named_one_by_one(msd_folder):
    folder = msd_folder(8)
    (folder / "imagesTr" / "toy_002.nii.gz").write_bytes(b"no volume")
    for case in ("toy_004", "toy_005"):
        (folder / "labelsTr" / f"{case}.nii.gz").write_bytes(b"no volume")
    found = inspect_folder(folder)
    assert [case for case, _ in found.faults] == ["toy_002", "toy_004", "toy_005"]
    with pytest.raises(ValueError, match=r"Task99_Toy: case toy_00[245]: .*toy_00[245]\.nii\.gz: expected"):
        load_cohort(str(folder))


def test_no_folder_and_no_readable_case_are_errors(msd_folder, tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        inspect_folder(tmp_path / "nowhere")
    folder = msd_folder(2)
    for path in (folder / "imagesTr").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no case can be read.*toy_000"):
        inspect_folder(folder)


def test_the_table_counts_labels_and_sizes(msd_folder):
    rows = dict(inspect_folder(msd_folder(6)).rows())
    assert rows["cases"] == "6 read"
    assert rows["size in voxels"] == "10 x 10 x 11 (median; 9 x 10 x 11 to 11 x 10 x 11)"
    # 27 of 990, 1100 or 1210 voxels, two cases each
    assert f"1 front: {100 * 27 * 6 / (2 * (990 + 1100 + 1210)):.3g}%" in rows["labels"]
    assert rows["spacing in mm"] == "1 x 1 x 1"


def test_files_that_dataset_json_does_not_list_are_told_and_not_counted(msd_folder):
    folder = msd_folder(6)
    said = json.loads((folder / "dataset.json").read_text())
    said["training"] = said["training"][:5]
    (folder / "dataset.json").write_text(json.dumps(said))
    found = inspect_folder(folder)
    assert len(found.cases) == 5
    assert ("dataset.json", "leaves out 1 case with files here: toy_005") in found.doubts


def test_values_of_masks_of_volumes_are_proposed_for_the_classes_of_dataset_json(msd_folder):
    folder = msd_folder(6)
    for path in (folder / "labelsTr").iterdir():
        label = np.asanyarray(nib.load(path).dataobj)
        save(path, np.array([0, 128, 255], np.uint8)[label])
    found = inspect_folder(folder)
    assert found.card.values == (0, 128, 255)
    assert (
        "all masks",
        "masks store 0, 128 and 255: taken as background, front and back; see `values` in the card",
    ) in found.doubts


def test_pictures_that_a_camera_turned_are_told(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    for i in range(3):
        picture = Image.fromarray(np.arange(30 + i, 66 + i, dtype=np.uint8).reshape(6, 6))
        for part, name in (("imagesTr", f"a{i}_0000.png"), ("labelsTr", f"a{i}.png")):
            (tmp_path / part).mkdir(exist_ok=True)
            image = picture if part == "imagesTr" else Image.fromarray(np.eye(6, dtype=np.uint8))
            image.save(tmp_path / part / name, exif=exif if name == "a1_0000.png" else None)
    said = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "line": 1}, "file_ending": ".png"}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    (doubt,) = [what for where, what in inspect_folder(tmp_path).doubts if where == "a1_0000.png"]
    assert doubt.startswith("turned by the camera's EXIF tag")
