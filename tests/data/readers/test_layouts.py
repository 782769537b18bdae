"""Every reader gives what was written, whatever its layout."""

import numpy as np
import pytest

from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.loading import Loader
from medseg_lab.data.readers.checks import patient_of
from medseg_lab.data.readers.open import open_reader
from tests.data.readers.layouts import LAYOUTS, save_h5, save_nifti, save_picture, scribbled

THREE_D = ("acdc-h5", "acdc-nifti", "msd-3d")


def same(raw, made, case):
    np.testing.assert_array_equal(raw.image, made.images[case])
    np.testing.assert_array_equal(raw.labels, made.labels[case])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_reader_gives_the_arrays_that_were_written(make, layout):
    made = make(layout)
    reader = made.reader
    assert list(reader.patients()) == sorted(made.files)
    for case in made.files:
        raw = reader.read(case)
        same(raw, made, case)
        assert (raw.id, raw.patient) == (case, reader.patients()[case])
        assert (raw.image.dtype, raw.labels.dtype) == (np.float32, np.uint8)
        assert raw.image.shape[0] == len(made.card.modality)
        assert raw.distribution is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_in_chinese_are_names(make, layout):
    made = make(layout, folder="数据集", name="海马体")
    reader = made.reader
    assert len(reader.patients()) == 2
    for case in made.files:
        assert "海马体" in case
        same(reader.read(case), made, case)
        assert len(reader.digest(case)) == 64


@pytest.mark.parametrize("layout", LAYOUTS)
def test_macos_twins_are_no_cases(make, layout):
    made = make(layout)
    for path in list(made.folder.rglob("*.*")):
        (path.parent / f"._{path.name}").write_bytes(b"resource fork")
    assert list(made.reader.patients()) == sorted(made.files)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cases_come_in_the_order_of_their_ids(make, layout):
    assert list(make(layout, cases=12).reader.patients()) == sorted(make(layout, cases=12).files)


def test_the_patient_is_what_the_card_reads_off_the_id(make):
    assert make("acdc-h5").reader.patients()["patient002_frame01"] == "patient002"
    assert make("chase", "eyes").reader.patients()["Image_02L"] == "02"
    slices = make("lidc", "slices").reader.patients()
    assert slices["LIDC-IDRI-0002_nodule-0_slice-4"] == "LIDC-IDRI-0002"
    made = make("msd-3d", "own")
    own = made.card.model_copy(update={"patient": "(a)[0-9]_x"})
    assert set(open_reader(own, made.folder).patients().values()) == {"a"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_id_that_the_card_does_not_know_is_refused_with_its_file(make, layout):
    made = make(layout)
    card = made.card.model_copy(update={"patient": "(person)"})
    with pytest.raises(ValueError, match=r"expected a case id like '\(person\)', got '.*'") as error:
        open_reader(card, made.folder)
    assert str(made.folder) in str(error.value)
    with pytest.raises(ValueError, match="got 'x'"):
        patient_of("x", card)


def test_both_forms_of_a_heart_are_the_same_array_and_only_nifti_has_a_spacing(make):
    packed, published = make("acdc-h5", "h5"), make("acdc-nifti", "nifti")
    for case in packed.files:
        a, b = packed.reader.read(case), published.reader.read(case)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.spacing, b.spacing) == (None, (1.5, 1.25, 8.0))


def test_where_both_forms_lie_in_one_folder_nifti_is_read(make):
    make("acdc-h5", cases=3)
    reader = make("acdc-nifti", cases=2).reader
    assert list(reader.patients()) == ["patient001_frame01", "patient002_frame01"]
    assert reader.read("patient001_frame01").spacing == (1.5, 1.25, 8.0)


@pytest.mark.parametrize("layout", ["acdc-h5", "acdc-nifti"])
def test_what_nobody_scribbled_on_is_ignored(make, layout):
    made = make(layout)
    dense = made.labels[made.first][0]
    labels = made.reader.read(made.first, "scribble").labels
    np.testing.assert_array_equal(labels[0, ::2], dense[::2])
    assert (labels[0, 1::2] == IGNORE).all()
    assert IGNORE not in made.reader.read(made.first, "dense").labels


def test_four_is_no_label_where_everything_is_annotated(make):
    made = make("acdc-nifti")
    save_nifti(made.file("label"), scribbled(made.labels[made.first][0]))
    with pytest.raises(
        ValueError, match=r"_gt\.nii\.gz: expected label values 0 to 3, got \[0, 1, 2, 3, 4\]$"
    ):
        made.reader.read(made.first)


def test_a_missing_scribble_is_named_when_it_is_asked_for(make):
    made = make("acdc-nifti")
    made.file("scribble").unlink()
    made.reader.read(made.first)
    with pytest.raises(
        ValueError, match=r"patient001_frame01_scribble\.nii\.gz: expected a plain file, got no such file"
    ):
        made.reader.read(made.first, "scribble")


def test_scribbles_count_in_the_digest(make):
    made = make("acdc-nifti")
    before = made.reader.digest(made.first)
    save_nifti(made.file("scribble"), made.labels[made.first][0])
    assert made.reader.digest(made.first) != before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_annotation_that_is_not_there_names_those_that_are(make, layout):
    made = make(layout)
    with pytest.raises(ValueError, match=r"expected an annotation of dense.*, got 'boxes'") as error:
        made.reader.read(made.first, "boxes")
    assert str(made.folder) in str(error.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_digest_follows_every_file_of_the_case_and_no_other(make, layout):
    made = make(layout)
    case, other = sorted(made.files)
    for path in set(made.files[case].values()):
        before = made.reader.digest(case), made.reader.digest(other)
        path.write_bytes(path.read_bytes() + b"\0")
        assert made.reader.digest(case) != before[0]
        assert made.reader.digest(other) == before[1]


@pytest.mark.parametrize("layout", THREE_D)
def test_nothing_is_mirrored_or_turned(make, layout):
    """A single bright voxel at (7, 2, 1) stays there."""
    made = make(layout)
    image = np.zeros((9, 8, 5), np.float32)
    image[7, 2, 1] = 1
    if layout == "acdc-h5":
        save_h5(made.file("image"), image=image.T, label=made.labels[made.first][0].T)
    else:
        save_nifti(made.file("image"), image)
    assert np.argwhere(made.reader.read(made.first).image).tolist() == [[0, 7, 2, 1]]


def test_slices_of_one_nodule_are_cases_of_one_patient(make):
    made = make("lidc", cases=1)
    folder = made.file("image").parents[1]
    for part in ("images", *(f"mask-{r}" for r in range(4))):
        (folder / part / "slice-5.png").write_bytes((folder / part / "slice-4.png").read_bytes())
    assert made.reader.patients() == {f"LIDC-IDRI-0001_nodule-0_slice-{s}": "LIDC-IDRI-0001" for s in (4, 5)}


def test_an_empty_reading_is_an_answer(make):
    made = make("lidc")
    from PIL import Image

    Image.new("L", (12, 16)).save(made.file("mask 3"))
    labels = made.reader.read(made.first).labels
    assert not labels[3].any()
    assert labels[0].any()


def test_every_nucleus_counts_whatever_its_number(make):
    made = make("nuclei")
    numbers = np.array([[0, 1, 255], [256, 65535, 0]], np.uint16)
    for part, array in (("image", numbers.astype(np.uint8)), ("label", numbers)):
        save_picture(made.file(part), array)
    assert made.reader.read(made.first).labels.tolist() == [[[0, 1, 1], [1, 1, 0]]]


@pytest.mark.parametrize("on_disk", [False, True])
def test_touching_nuclei_are_drawn_apart_where_the_card_says_so(make, on_disk):
    """The one with the lower number gives way; in the folder of prepared data the two are different sets."""
    made = make("nuclei", cases=1)
    save_picture(made.file("label"), np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 3, 3, 0]], np.uint16))
    save_picture(made.file("image"), np.arange(12, dtype=np.uint8).reshape(3, 4))
    found = []
    for name in ("dsb2018-nuclei", "dsb2018-nuclei+apart"):
        reader = open_reader(load_card(name), made.folder)
        loader = Loader(load_card(name), reader, reader.patients(), on_disk)
        found.append(loader.load([made.first])[0][0].label.tolist())
    assert found == [[[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]], [[1, 0, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]]]


def test_channels_are_red_green_and_blue(make):
    from PIL import Image

    made = make("chase")
    colours = np.zeros((16, 12, 3), np.uint8)
    colours[:8], colours[8:] = (250, 120, 10), (200, 60, 90)
    Image.fromarray(colours).save(made.file("image"), quality=100, subsampling=0)
    image = made.reader.read(made.first).image
    np.testing.assert_allclose(image[:, 2, 2], (250, 120, 10), atol=3)
    np.testing.assert_allclose(image[:, 13, 2], (200, 60, 90), atol=3)
