import json

import nibabel as nib
import numpy as np
import pytest

from medseg_lab.data.readers.folder import folder_card, folder_doubts
from medseg_lab.data.readers.layout import read_layout
from medseg_lab.data.readers.msd import MsdReader


def rewrite(path, change=lambda a: a, affine=None):
    """The NIfTI file at `path` with its voxels changed, or its affine replaced."""
    old = nib.load(path)
    nib.save(
        nib.Nifti1Image(change(np.asanyarray(old.dataobj)), old.affine if affine is None else affine), path
    )


def reader_of(folder):
    return MsdReader.open(folder_card(folder), folder)


@pytest.mark.parametrize("nnunet", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_both_generations_read_the_same_case(msd_folder, nnunet, channels):
    folder = msd_folder(3, nnunet, channels)
    raw = reader_of(folder).read("toy_001")
    assert raw.image.shape == (channels, 10, 10, 11)
    assert raw.labels.shape == (1, 10, 10, 11)
    assert np.bincount(raw.labels.ravel()).tolist() == [1100 - 27 - 18, 27, 18]
    rng = np.random.default_rng(0)
    written = [rng.normal(100, 20, (9 + i % 3, 10, 11, channels)).astype(np.float32) for i in range(2)]
    np.testing.assert_array_equal(raw.image, np.moveaxis(written[1], -1, 0))


@pytest.mark.parametrize("nnunet", [False, True])
def test_the_card_of_a_folder_is_what_its_dataset_json_says(msd_folder, nnunet):
    card = folder_card(msd_folder(3, nnunet, 2))
    assert card.classes == ("background", "front", "back")
    assert card.modality == ("contrast 0", "contrast 1")
    assert card.spatial_dims == 3
    assert card.preprocessing.patch == (16, 16, 16)
    assert card.preprocessing.spacing is None


def test_uneven_spacing_is_resampled_to_the_median(msd_folder):
    folder = msd_folder(3)
    for part in ("imagesTr", "labelsTr"):
        for i, z in enumerate((2.0, 3.0, 4.0)):
            rewrite(folder / part / f"toy_{i:03d}.nii.gz", affine=np.diag([1, 1, z, 1]))
    how = folder_card(folder).preprocessing
    assert how.spacing == (1.0, 1.0, 3.0)
    assert how.slice_axis == 2


def test_labels_stored_as_floats_are_read_as_integers(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "labelsTr" / "toy_000.nii.gz", lambda a: a.astype(np.float32))
    assert reader_of(folder).read("toy_000").labels.dtype == np.uint8


def test_regions_of_nnunet_become_regions_of_the_card(msd_folder):
    folder = msd_folder(1, nnunet=True)
    said = json.loads((folder / "dataset.json").read_text())
    said["labels"] = {"background": 0, "whole": [1, 2], "core": [2]}
    (folder / "dataset.json").write_text(json.dumps(said))
    card = folder_card(folder)
    assert card.classes == ("background", "label 1", "label 2")
    assert card.regions == {"whole": ("label 1", "label 2"), "core": ("label 2",)}


def flat(folder):
    for part in ("imagesTr", "labelsTr"):
        for path in (folder / part).iterdir():
            rewrite(path, lambda a: a[:, :, 4:5])


def test_single_slices_are_a_set_of_two_dimensions(msd_folder):
    folder = msd_folder(2)
    flat(folder)
    assert folder_card(folder).spatial_dims == 2
    raw = reader_of(folder).read("toy_000")
    assert raw.image.shape == (1, 9, 10)
    assert raw.spacing == (1.0, 1.0)


@pytest.mark.parametrize(("part", "what"), [("imagesTr", "an image"), ("labelsTr", "a label")])
@pytest.mark.parametrize("nnunet", [False, True])
def test_half_a_pair_is_refused_by_name(msd_folder, part, what, nnunet):
    folder = msd_folder(3, nnunet)
    suffix = "_0000" if nnunet and part == "imagesTr" else ""
    (folder / part / f"toy_001{suffix}.nii.gz").unlink()
    with pytest.raises(ValueError, match=f"toy_001{suffix}.nii.gz: no such file; {what} is missing"):
        folder_card(folder)


def test_a_missing_channel_is_refused_by_name(msd_folder):
    folder = msd_folder(2, nnunet=True, channels=2)
    (folder / "imagesTr" / "toy_001_0001.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"toy_001_0001\.nii\.gz: no such file"):
        folder_card(folder)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "expected a JSON object"),
        ("{}", "expected the tables 'labels'"),
        ('{"channel_names": {"0": "T1"}, "labels": {"background": 0, "a": 2}}', r"got \[0, 2\]"),
        (
            '{"channel_names": {"0": "T1"}, "labels": {"background": 0, "ignore": 1}}',
            r"expected label values 0, 1, ... without a gap, .*, got \[0\]",
        ),
        (
            '{"channel_names": {"0": "T1"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nrrd"}',
            "expected a file_ending of .nii.gz, .nii, .*, got '.nrrd'",
        ),
    ],
)
def test_a_wrong_dataset_json_is_refused(tmp_path, said, message):
    (tmp_path / "dataset.json").write_text(said)
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path)


def test_another_number_of_channels_is_refused(msd_folder):
    folder = msd_folder(2)
    source = reader_of(folder)
    rewrite(folder / "imagesTr" / "toy_000.nii.gz", lambda a: np.stack([a, a], -1))
    with pytest.raises(ValueError, match=r"imagesTr/toy_000\.nii\.gz: expected 1 channels, got 2"):
        source.read("toy_000")
    source.read("toy_001")


def turned(folder, case, codes):
    """The files of a case stored along other axes, at the same place."""
    for part in ("imagesTr", "labelsTr"):
        path = folder / part / f"{case}.nii.gz"
        file = nib.load(path)
        to = nib.orientations.axcodes2ornt(codes)
        nib.save(
            file.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(file.affine), to)), path
        )


def test_volumes_that_are_stored_along_other_axes_are_read_alike(msd_folder):
    folder = msd_folder(3)
    for part in ("imagesTr", "labelsTr"):
        for path in (folder / part).iterdir():
            rewrite(path, affine=np.diag([1, 2, 3, 1]))
    before = reader_of(folder).read("toy_001")
    card = folder_card(folder)
    for case, codes in (("toy_000", "PSR"), ("toy_001", "SLP"), ("toy_002", "LPI")):
        turned(folder, case, codes)
    assert nib.load(folder / "imagesTr" / "toy_001.nii.gz").shape == (11, 10, 10)
    after = reader_of(folder).read("toy_001")
    np.testing.assert_array_equal(after.image, before.image)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert after.spacing == before.spacing == (1, 2, 3)
    assert folder_card(folder) == card
    assert card.preprocessing.slice_axis == 2
    assert card.preprocessing.patch == (16, 16, 16)


@pytest.mark.parametrize("degrees", [44.9999, 45, 45.0001])
def test_image_and_label_are_turned_alike_though_rounding_decides_how(msd_folder, degrees):
    folder = msd_folder(1)
    for part, angle in (("imagesTr", np.deg2rad(degrees)), ("labelsTr", np.deg2rad(45))):
        affine = np.eye(4)
        affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        rewrite(folder / part / "toy_000.nii.gz", lambda a: a[:9, :9], affine)
    stored = nib.load(folder / "imagesTr" / "toy_000.nii.gz").get_fdata()
    raw = reader_of(folder).read("toy_000")
    marked = np.asanyarray(nib.load(folder / "labelsTr" / "toy_000.nii.gz").dataobj) == 2
    np.testing.assert_allclose(np.sort(raw.image[raw.labels == 2]), np.sort(stored[marked]), rtol=1e-6)


def test_an_image_that_is_flipped_against_its_label_is_refused(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "imagesTr" / "toy_000.nii.gz", affine=np.diag([-1, 1, 1, 1]))
    with pytest.raises(ValueError, match=r"axes LAS, the label's RAS \(flipped\)$"):
        reader_of(folder).read("toy_000")


def test_a_label_of_one_more_slice_is_refused(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "labelsTr" / "toy_000.nii.gz", lambda a: np.concatenate([a, a[..., :1]], -1))
    with pytest.raises(ValueError, match=r"toy_000\.nii\.gz: expected the label's shape \(9, 10, 12\), got"):
        reader_of(folder).read("toy_000")


def test_labels_in_several_channels_are_refused(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "labelsTr" / "toy_000.nii.gz", lambda a: np.stack([a == 0, a > 0], -1).astype(np.uint8))
    with pytest.raises(ValueError, match=r"labelsTr/toy_000\.nii\.gz: expected one label per voxel, got 2"):
        reader_of(folder).read("toy_000")


def test_a_time_series_is_no_image_of_one_channel(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "imagesTr" / "toy_000.nii.gz", lambda a: np.stack([a] * 7, -1))
    with pytest.raises(ValueError, match="expected 1 channels, got 7 along a 4th axis: one volume of a time"):
        reader_of(folder).read("toy_000")


def test_labels_that_are_whole_up_to_rounding_are_rounded(msd_folder):
    folder = msd_folder(1)
    path = folder / "labelsTr" / "toy_000.nii.gz"
    before = reader_of(folder).read("toy_000").labels
    file = nib.Nifti1Image(before[0].astype(float), np.eye(4))
    file.set_data_dtype(np.uint16)
    nib.save(file, path)
    assert np.unique(nib.load(path).get_fdata())[1] == pytest.approx(1.0000153)
    np.testing.assert_array_equal(reader_of(folder).read("toy_000").labels, before)


def test_labels_that_are_not_whole_are_refused_with_the_cure(msd_folder):
    folder = msd_folder(1)
    rewrite(folder / "labelsTr" / "toy_000.nii.gz", lambda a: a + np.float32(0.001) * (a == 2))
    cure = (
        r"save labels as integers without scaling \(scl_slope 1\), and resample them to the nearest neighbour"
    )
    with pytest.raises(ValueError, match=rf"expected whole label values 0 to 2, got \[.*\]: {cure}$"):
        reader_of(folder).read("toy_000")


@pytest.mark.parametrize("lone", [0, 1, 2])
def test_slices_are_two_dimensional_wherever_their_lone_axis_is(msd_folder, lone):
    folder = msd_folder(2)
    for part in ("imagesTr", "labelsTr"):
        for path in (folder / part).iterdir():
            edges = np.insert([2.0, 2.0], lone, 999)
            rewrite(path, lambda a: np.expand_dims(a[:, :, 4], lone), np.diag([*edges, 1.0]))
    card = folder_card(folder)
    assert (card.spatial_dims, card.preprocessing.spacing, card.preprocessing.patch) == (2, None, (16, 16))
    raw = reader_of(folder).read("toy_000")
    assert raw.image.shape == (1, 9, 10)
    assert raw.spacing == (2, 2)


def test_a_folder_without_listing_or_of_like_volumes_has_no_doubts(msd_folder, tmp_path):
    assert folder_doubts(msd_folder(3)) == ()
    assert folder_doubts(tmp_path) == ()


def test_slices_among_volumes_are_told(msd_folder):
    folder = msd_folder(4)
    for part in ("imagesTr", "labelsTr"):
        rewrite(folder / part / "toy_002.nii.gz", lambda a: a[:, :, 4:5])
    assert folder_card(folder).spatial_dims == 3
    assert folder_doubts(folder) == (
        ("toy_002", "one slice each (1 of 4 cases), where the others are volumes"),
    )


def test_volumes_that_were_cut_along_another_axis_are_told(msd_folder):
    folder = msd_folder(4)
    for i, edges in enumerate([(1, 1, 3), (1, 1, 5), (4, 1, 1), (1, 1, 1)]):
        for part in ("imagesTr", "labelsTr"):
            rewrite(folder / part / f"toy_{i:03d}.nii.gz", affine=np.diag([*edges, 1]))
    turned(folder, "toy_001", "SRA")
    told = "slices are thick along another axis than axis 2, as in the other cases"
    assert folder_doubts(folder) == (("toy_002", told),)


def test_a_header_of_two_places_is_told(msd_folder):
    folder = msd_folder(2)
    for part in ("imagesTr", "labelsTr"):
        path = folder / part / "toy_000.nii.gz"
        file = nib.load(path)
        file.set_qform(np.diag([1, 1, 2, 1]), code=1)
        nib.save(file, path)
    assert folder_doubts(folder) == (("toy_000", "sform and qform differ by up to 10 mm: sform is used"),)
    assert reader_of(folder).read("toy_000").spacing == (1, 1, 1)


def test_a_header_that_does_not_say_which_way_the_axes_run_is_told_where_others_do(msd_folder):
    folder = msd_folder(2)
    told = []
    for case in ("toy_000", "toy_001"):
        path = folder / "labelsTr" / f"{case}.nii.gz"
        file = nib.load(path)
        file.set_sform(None, 0)
        file.set_qform(None, 0)
        nib.save(file, path)
        told.append([cases for cases, what in folder_doubts(folder) if "which way the axes run" in what])
    assert told == [["toy_000"], []]
