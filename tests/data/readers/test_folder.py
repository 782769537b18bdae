import json

import numpy as np
import pytest

from medseg_lab.data.case import IGNORE
from medseg_lab.data.choose import choose
from medseg_lab.data.readers.folder import folder_card
from tests.data.readers.layouts import save_nifti
from tests.data.readers.refusals import refused

WRITTEN = """
title = "Hearts"
publisher = "we"
licence = "ours"
citation = "none"
home = "here"
size_mb = 1
modality = ["MRI"]
spatial_dims = 3
classes = ["background", "front", "back", "middle"]
patient = "(a\\\\d+)_.*"
patient_rule = "what comes before the underscore"
reader = "msd"

[preprocessing]
patch = [8, 8, 8]
"""


@pytest.fixture
def folder(make):
    made = make("msd-3d")
    (made.folder / "card.toml").write_text(WRITTEN, encoding="utf-8")
    return made.folder


def test_a_card_in_the_folder_is_the_card(folder):
    card = folder_card(folder)
    assert (card.id, card.title, card.classes[1]) == ("set", "Hearts", "front")
    assert choose(str(folder)).reader.patients() == {"a0_x": "a0", "a1_x": "a1"}


def test_a_card_may_say_its_own_id(folder):
    (folder / "card.toml").write_text('id = "hearts"\n' + WRITTEN, encoding="utf-8")
    assert folder_card(folder).id == "hearts"


def test_a_card_in_a_folder_may_name_any_reader(make):
    made = make("nuclei")
    text = WRITTEN.replace('"msd"', '"nuclei"').replace("spatial_dims = 3", "spatial_dims = 2")
    text = text.replace("[8, 8, 8]", "[8, 8]").replace("\\\\d+", ".")
    (made.folder / "card.toml").write_text(text, encoding="utf-8")
    chosen = choose(str(made.folder))
    np.testing.assert_array_equal(chosen.reader.read("a0_x").labels, made.labels["a0_x"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size_mb = 1", 'size_mb = "big"', "size_mb: expected a valid number.*, got 'big'"),
        ("size_mb = 1", "colour = 1\nsize_mb = 1", "colour: unknown; the known ones are about, .*variants"),
        ('licence = "ours"', "", "licence: missing"),
        ('"msd"', '"dicom"', "reader: expected 'virtual', 'msd'.*, got 'dicom'"),
        ("[8, 8, 8]", "[8, 0, 8]", r"preprocessing\.patch\.1: expected greater than 0, got 0"),
        ("[8, 8, 8]", "[8, 8]", r"patch: expected 3 edges, got \(8, 8\)"),
        ("(a\\\\d+)_.*", "a.*", "patient: expected an expression with one group, got 'a.*'"),
        ("(a\\\\d+)_.*", "(a", "patient: expected a regular expression, got the error"),
        ("classes =", "classes", "expected TOML, got the error: "),
    ],
)
def test_a_wrong_card_is_refused_by_file_and_field_in_one_line(folder, old, new, message):
    assert old in WRITTEN
    (folder / "card.toml").write_text(WRITTEN.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        folder_card(folder)
    assert str(error.value).startswith(f"{folder / 'card.toml'}: ")
    assert "\n" not in str(error.value)


def test_a_card_is_drafted_from_the_labels_that_can_be_read(make):
    made = make("msd-3d")
    whole = folder_card(made.folder)
    first, *others = sorted((made.folder / "labelsTr").iterdir())
    first.write_bytes(b"")
    assert folder_card(made.folder).classes == whole.classes
    for path in others:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"labelsTr/.*\.nii\.gz: expected .*, got an empty file"):
        folder_card(made.folder)


def with_labels(made, labels):
    path = made.folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))


NAMED = {"background": 0, "front": 1, "back": 2, "middle": 3}


def test_what_nnunet_calls_ignore_is_unknown(make):
    made = make("msd-3d")
    with_labels(made, NAMED | {"ignore": 4})
    label = made.labels["a0_x"][0].copy()
    label[2:4] = 4
    save_nifti(made.file("label"), label)
    chosen = choose(str(made.folder))
    assert chosen.card.classes == tuple(NAMED)
    labels = chosen.reader.read("a0_x").labels[0]
    assert (labels[2:4] == IGNORE).all()
    np.testing.assert_array_equal(labels[4:], label[4:])


def test_ignore_with_regions_is_unknown_too(make):
    made = make("msd-3d")
    with_labels(made, {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3, "ignore": 4})
    card = folder_card(made.folder)
    assert card.classes == ("background", "label 1", "label 2", "tip")
    whole = ("label 1", "label 2", "tip")
    assert card.regions == {"whole": whole, "core": ("label 2", "tip"), "tip": ("tip",)}
    label = np.full((9, 8, 5), 5, np.uint8)
    save_nifti(made.file("label"), label)
    made.card = card
    refused(made, "label", r"expected label values 0 to 3, or 4 where nobody annotated, got \[5\]")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (NAMED | {"ignore": 3}, "expected a value above 3, that of the last label, for 'ignore', got 3"),
        (
            {"background": 0, "ignore": 1, "front": 2},
            "expected a value above 2, .* for 'ignore', got 1: write",
        ),
        (NAMED | {"ignore": [4]}, r"expected one value for 'ignore', got \[4\]"),
        (
            NAMED | {"Ignore": 4},
            "expected names of structures as labels, got 'Ignore' for 4: for voxels that",
        ),
        (NAMED | {"back": 1}, r"expected a value of its own for each label, got one for \['front', 'back'\]"),
        (
            {"0": "background", "1": "front", "2": "front"},
            "a name of its own for each label, got 'front' twice",
        ),
        (NAMED | {"front": True}, "expected labels that are whole numbers, or lists of them, got"),
        (NAMED | {"ignore": "x"}, "expected labels that are whole numbers, or lists of them, got"),
        (NAMED | {"front": 1.5}, "expected labels that are whole numbers, or lists of them, got"),
        (NAMED | {"front": None}, "expected labels that are whole numbers, or lists of them, got"),
        (
            {str(v): v for v in range(256)},
            "expected label values 0, 1, ... without a gap, 2 to 255 of them, got",
        ),
        ({"0": "background", "1": "ignore"}, "expected names of structures as labels, got 'ignore' for 1"),
        ({"front": 0, "background": 1}, "expected 0 as the value of 'background', got 1"),
        ({"0": "front", "1": "Background"}, "expected 0 as the value of 'Background', got 1"),
        ({"background": 0, "whole": [0, 1, 2]}, "expected regions without the background, 0, got 'whole'"),
        ({"background": 0, "label 2": 1, "whole": [1, 2]}, "expected names that are unlike 'label 2'"),
    ],
)
def test_a_table_of_labels_that_is_wrong(make, labels, message):
    made = make("msd-3d")
    with_labels(made, labels)
    with pytest.raises(ValueError, match=message) as error:
        folder_card(made.folder)
    assert str(error.value).startswith(f"{made.folder / 'dataset.json'}: expected")


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "front", "2": "back", "3": "middle"},
        {"background": "0", "front": 1, "back": "2", "middle": 3},
        {"background": 0, "1": "front", "back": 2, "3": "middle"},
    ],
)
def test_numbers_of_labels_may_be_text_and_stand_before_or_behind_the_name(make, labels):
    made = make("msd-3d")
    with_labels(made, labels)
    assert folder_card(made.folder).classes == tuple(NAMED)


def test_another_value_for_ignore_makes_other_cases(make):
    made = make("msd-3d")
    digests = []
    for labels in (NAMED, NAMED | {"ignore": 4}, NAMED | {"ignore": 5}):
        with_labels(made, labels)
        digests.append(choose(str(made.folder)).reader.digest("a0_x"))
    assert len(set(digests)) == 3


def test_ignore_may_leave_a_gap_below_it(make):
    made = make("msd-3d")
    with_labels(made, NAMED | {"ignore": 255})
    label = made.labels["a0_x"][0].copy()
    label[0] = 255
    save_nifti(made.file("label"), label)
    assert (choose(str(made.folder)).reader.read("a0_x").labels[0, 0] == IGNORE).all()


@pytest.mark.parametrize(
    "change",
    [
        {"training": 3},
        {"training": ["a0_x.nii.gz", 7]},
        {"training": [{"image": "./imagesTr/a0_x.nii.gz", "label": None}]},
        {"training": [[]]},
        {"dataset": ["a0_x"]},
        {"file_ending": 7},
        {"channel_names": {"x": "MRI"}},
        {"channel_names": {"0": "T1", "2": "T2"}},
        {"channel_names": {"9" * 5000: "MRI"}},
        {"labels": []},
    ],
)
def test_a_listing_of_the_wrong_kind(make, change):
    made = make("msd-3d")
    path = made.folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"dataset\.json: expected .*, got"):
        folder_card(made.folder)
