"""From a trained run to a mask on the image's own grid."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from toys import tinted, tiny_budget, tiny_cohort

from medseg_lab.data.coarser import coarser
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.preprocess import zscore
from medseg_lab.data.readers.decode.volume import read_volume
from medseg_lab.evaluation.judge import Judge
from medseg_lab.inference import apply
from medseg_lab.inference.apply import Applied, segment
from medseg_lab.inference.images import large
from medseg_lab.inference.images.as_trained import AsTrained
from medseg_lab.inference.images.image_files import cases_of
from medseg_lab.inference.small_components import SmallComponents
from medseg_lab.networks.unet import UNet
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout

SMALL = recipe(Supervised, network=recipe(UNet, features=(4, 8)))
SLICES = recipe(Supervised, network=recipe(UNet, features=(4, 8)), spatial_dims=2)
OBLIQUE = np.array([[0, -0.8, 0.6, 3], [-1.5, 0, 0, -7], [0, 1.2, 0.9, 11], [0, 0, 0, 1.0]])
"""Axes P, L, S, turned by about 37 degrees: spacing 1.5, 1.44 and 1.08 mm."""


def with_card(cohort: Cohort, preprocessing: dict[str, Any] | None = None, **change: Any) -> Cohort:
    how = cohort.card.preprocessing.model_copy(update=preprocessing or {})
    return replace(cohort, card=cohort.card.model_copy(update={"preprocessing": how, **change}))


def trained(store: Path, target: Recipe = SMALL, cohort: Cohort | None = None) -> Run:
    judge = recipe(Judge)
    cohort = cohort or tiny_cohort(3, 2)
    return fit(target, cohort, tiny_budget(steps=2), 0, store=RunStore(store), judge=judge, progress=False)


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def read(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


@pytest.fixture
def image(tmp_path) -> Path:
    return save(
        tmp_path / "scan.nii.gz", np.random.default_rng(0).normal(5, 2, (12, 11, 9)).astype(np.float32)
    )


@pytest.mark.parametrize("target", [SMALL, SLICES])
@pytest.mark.parametrize("slabs", [False, True])
def test_a_case_of_the_training_gets_what_the_judge_predicted_to_the_last_bit(tmp_path, target, slabs):
    cohort = tiny_cohort(3, 2)
    before = cohort.validation[0]
    case = replace(before, image=zscore(before.image))
    run = trained(tmp_path / "runs", target, replace(cohort, validation=(case,)))
    path = save(tmp_path / "case.nii.gz", before.image[0].numpy())
    found = segment(run, path, tmp_path / "out", slabs=slabs)
    assert found.mask == tmp_path / "out" / "case.nii.gz"
    assert found.slabs is slabs
    assert np.array_equal(read(found.mask), run.segmentations([case])[case.id])
    assert sum(found.voxels.values()) == case.image.numel()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["case.nii.gz"]  # nothing is left over


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
@pytest.mark.parametrize("slabs", [False, True])
def test_the_mask_keeps_place_orientation_units_and_codes_of_an_oblique_flipped_image(tmp_path, dtype, slabs):
    run = trained(tmp_path / "runs")
    canonical = np.random.default_rng(0).integers(0, 1000, (12, 10, 8)).astype(dtype)
    straight = read(segment(run, save(tmp_path / "a.nii.gz", canonical), tmp_path / "out").mask)

    def in_file(array: np.ndarray) -> np.ndarray:
        return np.flip(array.transpose(1, 0, 2), (0, 1)).copy()

    turned = nib.Nifti1Image(in_file(canonical), OBLIQUE)
    turned.header.set_xyzt_units("micron")
    scale = np.diag([1000, 1000, 1000, 1.0]) @ OBLIQUE
    turned.set_sform(scale, 2)
    turned.set_qform(scale, 1)
    nib.save(turned, tmp_path / "b.nii")
    found = segment(run, tmp_path / "b.nii", tmp_path / "out", slabs=slabs, probabilities=True)
    first, mask = nib.load(tmp_path / "b.nii"), nib.load(found.mask)
    assert found.mask.name == "b.nii.gz"
    assert np.array_equal(read(found.mask), in_file(straight))
    assert mask.shape == first.shape == (10, 12, 8)
    assert mask.get_data_dtype() == np.uint8
    for field in (
        "sform_code",
        "qform_code",
        "xyzt_units",
        "srow_x",
        "srow_y",
        "srow_z",
        "pixdim",
        "quatern_b",
    ):
        assert np.array_equal(mask.header[field], first.header[field]), field
    assert 0 < straight.sum() < straight.size


def test_the_voxels_of_a_turned_image_are_those_of_the_straight_one(tmp_path, image):
    run = trained(tmp_path / "runs")
    straight = read(segment(run, image, tmp_path / "out").mask)
    turned = np.flip(read(image).transpose(2, 0, 1), 1).copy()
    affine = np.array([[0, -1, 0, 11], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])  # axes S, L, A
    assert nib.aff2axcodes(affine) == ("S", "L", "A")
    found = read(segment(run, save(tmp_path / "turned.nii.gz", turned, affine), tmp_path / "out").mask)
    assert 0 < straight.sum() < straight.size
    assert np.array_equal(found, np.flip(straight.transpose(2, 0, 1), 1))


@pytest.mark.parametrize("slabs", [False, True])
@pytest.mark.parametrize("target", [SMALL, SLICES])
def test_an_image_is_resampled_to_the_training_and_its_mask_back(tmp_path, target, slabs):
    how = {"spacing": (1.0, 1.0, 2.0)}
    run = trained(tmp_path / "runs", target, with_card(tiny_cohort(3, 2), how))
    fine = np.random.default_rng(0).normal(0, 1, (12, 10, 16)).astype(np.float32)
    path = save(tmp_path / "fine.nii.gz", fine, np.diag([1, 1, 0.5, 1]))
    found = segment(run, path, tmp_path / str(slabs), slabs=slabs, probabilities=True)
    assert read(found.mask).shape == (12, 10, 16)
    sure = read(found.maps[0])
    assert sure.shape == (12, 10, 16, 2)
    assert np.allclose(sure.sum(-1), 1, atol=1e-5)
    assert np.array_equal(sure.argmax(-1), read(found.mask))


def test_slabs_of_a_resampled_image_are_those_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "VALUES", 400)  # several parts of everything
    run = trained(tmp_path / "runs", SMALL, with_card(tiny_cohort(3, 2), {"spacing": (1.3, 0.8, 2.0)}))
    fine = np.random.default_rng(0).normal(0, 1, (13, 10, 16)).astype(np.float32)
    path = save(tmp_path / "fine.nii.gz", fine, np.diag([1, 1, 0.5, 1]))
    both = [segment(run, path, tmp_path / str(s), slabs=s, probabilities=True) for s in (False, True)]
    whole, slabs = (read(found.maps[0]) for found in both)
    assert np.allclose(whole, slabs, atol=1e-5)


def test_images_of_a_crop_are_standardised_by_their_middle_and_predicted_whole(tmp_path):
    run = trained(tmp_path / "runs", SMALL, with_card(tiny_cohort(3, 2), {"crop": (4, 4, 4)}))
    like = AsTrained.of(run)
    values = torch.arange(8.0**3).reshape(1, 8, 8, 8)
    middle = values[:, 2:6, 2:6, 2:6].double()
    expected = (values.double() - middle.mean()) / middle.std(correction=0)
    assert torch.equal(like.prepared(values, None, "x"), expected.float())


def test_a_coarser_training_sees_every_kth_voxel_and_the_mask_is_whole(tmp_path):
    cohort = coarser(tiny_cohort(3, 2, shape=(40, 9, 8)), voxels=1500)
    assert cohort.thinned == (2, 1, 1)
    run, case = trained(tmp_path / "runs", SMALL, cohort), cohort.validation[0]
    whole = tiny_cohort(3, 2, shape=(40, 9, 8)).validation[0]
    assert run.record.cohort.thinned == (2, 1, 1)
    found = segment(run, save(tmp_path / "c.nii.gz", whole.image[0].numpy()), tmp_path / "out")
    assert read(found.mask).shape == (40, 9, 8)
    like = AsTrained.of(run)
    maps = torch.tensor([[[[0.0]], [[1.0]], [[4.0]]]])  # at 0, 2 and 4 of 6
    assert like.back(maps, (6, 1, 1), (6, 1, 1)).flatten().tolist() == [0, 0.5, 1, 2.5, 4, 4]
    assert case.image.shape[1:] == (20, 9, 8)


def test_what_the_card_says_that_masks_store_is_written(tmp_path, image):
    run = trained(tmp_path / "runs", SMALL, with_card(tiny_cohort(3, 2), values=(0, 255)))
    plain = trained(tmp_path / "plain")
    found = [
        read(segment(one, image, tmp_path / one.folder.parent.name / "out").mask) for one in (run, plain)
    ]
    assert np.array_equal(found[0], found[1] * 255)
    assert found[0].dtype == np.uint8


@pytest.mark.filterwarnings("error")  # the card knows the spacing of pictures, so none is missing
@pytest.mark.parametrize(("ending", "expected"), [(".png", ".png"), (".jpg", ".png"), (".tif", ".tif")])
def test_a_picture_gets_a_mask_in_its_own_format_where_that_can_hold_one(tmp_path, ending, expected):
    run = trained(tmp_path / "runs", SMALL, with_card(tiny_cohort(2, 2), voxel_mm=(1.0, 1.0)))
    grey = np.random.default_rng(0).integers(0, 255, (20, 31)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / f"a{ending}")
    found = segment(run, tmp_path / f"a{ending}", tmp_path / "out", probabilities=True)
    assert found.mask.name == f"a{expected}"
    assert np.asarray(Image.open(found.mask)).shape == (20, 31)
    assert [path.name for path in found.maps] == ["a_probabilities.tif"]


@pytest.mark.parametrize("slabs", [False, True])
def test_a_learner_that_samples_gives_entropy_and_mutual_information(tmp_path, image, slabs):
    network = recipe(UNet, features=(4, 8), dropout=0.5)
    run = trained(tmp_path / "runs", recipe(MCDropout, learner=recipe(Supervised, network=network)))
    found = segment(run, image, tmp_path / "out", uncertainty=True, samples=5, slabs=slabs)
    assert [path.name for path in found.maps] == ["scan_entropy.nii.gz", "scan_mutual_information.nii.gz"]
    entropy, shared = (read(path) for path in found.maps)
    assert entropy.dtype == np.float32
    assert (entropy <= np.log(2) + 1e-5).all()
    assert ((shared >= 0) & (shared <= entropy)).all()
    assert shared.max() > 0
    again = segment(run, image, tmp_path / "again", uncertainty=True, samples=5, slabs=not slabs)
    assert np.array_equal(entropy, read(again.maps[0]))  # the same samples, as a whole and slab by slab


def test_a_learner_of_one_prediction_gives_its_entropy_alone(tmp_path, image):
    found = segment(trained(tmp_path / "runs"), image, tmp_path / "out", uncertainty=True, probabilities=True)
    assert [path.name for path in found.maps] == ["scan_probabilities.nii.gz", "scan_entropy.nii.gz"]
    sure, entropy = (read(path).astype(float) for path in found.maps)
    assert np.allclose(-(sure * np.log(sure)).sum(-1), entropy, atol=1e-4)


def test_channels_and_dimensions_that_differ_are_refused_and_nothing_is_written(tmp_path, image):
    flat, volume = (trained(tmp_path / str(n), SMALL, tiny_cohort(n, 2)) for n in (2, 3))
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "p.png")
    two = save(tmp_path / "two.nii.gz", np.random.default_rng(0).normal(size=(8, 8, 8, 2)))
    for run, path, said in (
        (flat, image, r"scan\.nii\.gz: expected one slice: .* got shape \(12, 11, 9\)"),
        (volume, tmp_path / "p.png", r"p\.png: expected a volume: .* got shape \(20, 20\)"),
        (volume, two, r"two\.nii\.gz: expected 1 channels \(noise\), got 2"),
    ):
        with pytest.raises(ValueError, match=said):
            segment(run, path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


def test_a_learner_of_slices_takes_a_single_slice_of_a_volume(tmp_path):
    run = trained(tmp_path / "runs", SLICES)
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "p.png")
    with pytest.warns(UserWarning, match="its spacing is not known; the training's was 1 x 1 mm"):
        found = segment(run, tmp_path / "p.png", tmp_path / "out")
    assert np.asarray(Image.open(found.mask)).shape == (20, 20)


def test_a_spacing_far_from_the_trainings_is_a_warning_and_a_missing_one_an_error_if_it_is_needed(
    tmp_path, image
):
    run = trained(tmp_path / "runs")
    assert run.record.task.spacing == (1.0, 1.0, 1.0)
    far = save(tmp_path / "far.nii.gz", read(image), np.diag([1, 1, 2.5, 1]))
    with pytest.warns(UserWarning, match=r"1 x 1 x 2\.5 mm, is far from the training's, 1 x 1 x 1 mm"):
        segment(run, far, tmp_path / "out")
    near = save(tmp_path / "near.nii.gz", read(image), np.diag([1, 1, 1.5, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segment(run, near, tmp_path / "out")
    resampled = AsTrained.of(
        trained(tmp_path / "r", SMALL, with_card(tiny_cohort(2, 2), {"spacing": (1.0, 1.0)}))
    )
    with pytest.raises(
        ValueError, match=r"p\.png: expected a known spacing, to resample .* 1 x 1 mm, got none"
    ):
        resampled.shapes((20, 20), None, "p.png")


def test_nothing_is_overwritten_unless_asked_and_the_image_never(tmp_path, image):
    run = trained(tmp_path / "runs")
    first = segment(run, image, tmp_path / "out")
    before = first.mask.read_bytes()
    with pytest.raises(FileExistsError, match=r"scan\.nii\.gz exists already"):
        segment(run, image, tmp_path / "out")
    assert read(segment(run, image, tmp_path / "out", overwrite=True).mask).shape == read(image).shape
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file: expected a folder for masks, got a file"):
        segment(run, image, tmp_path / "file")
    content = image.read_bytes()
    with pytest.raises(ValueError, match="expected another folder"):
        segment(run, image, image.parent, overwrite=True)
    assert image.read_bytes() == content
    assert before[:2] == b"\x1f\x8b"


def test_a_write_that_fails_leaves_nothing(tmp_path, image, monkeypatch):
    run = trained(tmp_path / "runs")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(OSError, match="No space left"):
        segment(run, image, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_case_beyond_the_memory_goes_slab_by_slab_but_not_where_the_method_needs_it_whole(
    tmp_path, image, monkeypatch
):
    monkeypatch.setattr(apply, "physical_memory", lambda: 10_000)
    assert segment(trained(tmp_path / "runs"), image, tmp_path / "out").slabs
    whole = trained(tmp_path / "runs", recipe(SmallComponents, learner=SMALL))
    with pytest.warns(UserWarning, match="needs the whole case, about"):
        assert not segment(whole, image, tmp_path / "other").slabs
    with pytest.raises(ValueError, match="slabs: expected a method without a step on the whole case"):
        segment(whole, image, tmp_path / "third", slabs=True)


def test_an_old_record_asks_for_the_card_unless_the_library_has_it(tmp_path):
    run = trained(tmp_path / "runs")
    with pytest.raises(ValueError, match="expected no card, since its record says"):
        AsTrained.of(run, tiny_cohort(3, 2).card)
    said, path = AsTrained.of(run), run.folder / "run.json"
    record = json.loads(path.read_text())
    for name in ("preprocessing", "channels", "values", "voxel_mm", "thinned"):
        del record["cohort"][name]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"does not say how the images of tiny were prepared; .*--card"):
        Applied(Run(run.folder))
    card = tiny_cohort(3, 2).card
    assert AsTrained.of(Run(run.folder), card) == said
    with pytest.raises(
        ValueError, match="the classes background, a, got tiny: 1 channels and background, a, b"
    ):
        AsTrained.of(Run(run.folder), tiny_cohort(3, 3).card)
    path.write_text(json.dumps(record | {"cohort": record["cohort"] | {"id": "msd-hippocampus"}}))
    with pytest.raises(ValueError, match="got msd-hippocampus: 1 channels and background, anterior"):
        Applied(Run(run.folder))


def test_files_are_grouped_by_case_as_nnunet_names_channels(tmp_path):
    names = ["a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz"]
    for name in [*names, "notes.txt"]:
        (tmp_path / name).touch()
    assert cases_of([tmp_path], 2) == {
        "a": (tmp_path / names[0], tmp_path / names[1]),
        "b": (tmp_path / names[2], tmp_path / names[3]),
    }
    assert cases_of([tmp_path / names[0], tmp_path / names[2]], 1).keys() == {"a", "b"}
    assert cases_of([tmp_path / names[1]], 1).keys() == {"a_0001"}
    with pytest.raises(ValueError, match="expected an image or a folder of images, got nothing there"):
        cases_of([tmp_path / "nowhere"], 1)
    (tmp_path / "more").mkdir()
    with pytest.raises(ValueError, match="more: expected images, got an empty folder"):
        cases_of([tmp_path / "more"], 1)
    (tmp_path / "more" / "a_0000.nii.gz").touch()
    with pytest.raises(ValueError, match="expected images of different names, got also"):
        cases_of([tmp_path / names[0], tmp_path / "more"], 1)


def test_the_store_finds_a_run_by_the_beginning_of_its_key_or_by_its_folder(tmp_path):
    run, store = trained(tmp_path), RunStore(tmp_path)
    key = run.record.key
    assert {store.run(name).folder for name in (key, key[:8], key[:3], str(run.folder))} == {run.folder}
    for name in ("", "nothing"):
        with pytest.raises(ValueError, match=r"expected one run whose key begins with .*, got none"):
            store.run(name)


def test_a_dicom_series_gets_a_mask_in_nifti_at_its_place(tmp_path):
    pytest.importorskip("pydicom")
    from tests.data.readers.series import save_series

    voxels = np.random.default_rng(0).integers(0, 1000, (10, 9, 8)).astype(np.int16)
    folder = save_series(tmp_path / "scans" / "head", voxels, step=1.5, pixel=(1.0, 1.0))
    assert cases_of([tmp_path / "scans"], 1) == cases_of([folder], 1) == {"head": (folder,)}
    run = trained(tmp_path / "runs")
    found = segment(run, folder, tmp_path / "out")
    mask, volume = nib.load(found.mask), read_volume(folder)
    assert found.mask.name == "head.nii.gz"
    assert np.allclose(mask.affine, volume.affine)
    assert mask.shape == volume.voxels.shape[1:]
    same = save(tmp_path / "same.nii.gz", volume.voxels[0], volume.affine)
    assert np.array_equal(read(found.mask), read(segment(run, same, tmp_path / "out").mask))


def test_channels_come_in_a_file_each_or_as_the_colours_of_a_picture(tmp_path):
    run = trained(tmp_path / "runs", SMALL, with_card(tinted(tiny_cohort(2, 2)), voxel_mm=(1.0, 1.0)))
    colours = np.random.default_rng(0).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    one = segment(run, tmp_path / "a.png", tmp_path / "out")
    files = [save(tmp_path / f"b_{c:04d}.nii.gz", colours[..., c, None]) for c in range(3)]
    several = segment(run, files, tmp_path / "out")
    assert several.case == "b"
    assert nib.load(several.mask).shape == (20, 24, 1)
    assert 0 < one.voxels["a"] < 480
    assert np.array_equal(read(several.mask)[..., 0], np.asarray(Image.open(one.mask)))
    with pytest.raises(ValueError, match=r"b_0000.*expected 3 channels \(red, green, blue\), got 2"):
        segment(run, files[:2], tmp_path / "more")
    with pytest.raises(ValueError, match=r"expected channels _0000, _0001, .*, got b_0001\."):
        segment(run, [files[1], files[0], files[2]], tmp_path / "more")
    moved = save(tmp_path / "b_0002.nii.gz", colours[..., 2, None], np.diag([1, 1.5, 1, 1]))
    with pytest.raises(ValueError, match=r"b_0002.*expected the place of b_0000.*, got corners 11\.5 mm"):
        segment(run, [*files[:2], moved], tmp_path / "more")


@pytest.mark.parametrize("slabs", [False, True])
def test_grey_and_colour_are_taken_for_one_another_as_in_training(tmp_path, slabs):
    in_grey = trained(tmp_path / "grey", SMALL, with_card(tiny_cohort(2, 2), voxel_mm=(1.0, 1.0)))
    in_colour = trained(tmp_path / "colour", SMALL, with_card(tinted(tiny_cohort(2, 2)), voxel_mm=(1.0, 1.0)))
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.stack([pixels] * 3, axis=-1)).save(tmp_path / "b.png")
    for run in (in_grey, in_colour):
        out = tmp_path / run.record.key
        found = [segment(run, tmp_path / name, out, slabs=slabs).mask for name in ("a.png", "b.png")]
        assert np.array_equal(*(np.asarray(Image.open(mask)) for mask in found))


def test_numbered_images_that_have_all_channels_are_not_the_channels_of_one(tmp_path):
    files = [tmp_path / f"img_{number:04d}.png" for number in range(3)]
    for path in files:
        Image.fromarray(np.eye(5, dtype=np.uint8)[..., None] * np.array([9, 8, 7], np.uint8)).save(path)
    assert cases_of([tmp_path], 3) == {path.stem: (path,) for path in files}
    assert cases_of(files[1:2], 3) == {"img_0001": (files[1],)}


def test_a_mask_stores_values_that_take_more_than_two_bytes(tmp_path, image):
    run = trained(tmp_path / "runs", SMALL, with_card(tiny_cohort(3, 2), values=(7, 70_001)))
    assert set(np.unique(read(segment(run, image, tmp_path / "out").mask))) <= {7, 70_001}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"values": [5]}, r"expected a value of 0 or more for each of 2 classes, got \[5\]"),
        ({"values": [0, -1]}, r"expected a value of 0 or more for each of 2 classes, got \[0, -1\]"),
        ({"channels": ["a", "b"]}, r"expected names of 1 channels, got \['a', 'b'\]"),
        ({"thinned": [2, 2]}, r"expected 3 positive numbers as thinned, got \[2, 2\]"),
        ({"thinned": [0, 1, 1]}, r"expected 3 positive numbers as thinned, got \[0, 1, 1\]"),
        ({"voxel_mm": [1.0]}, r"expected 3 positive numbers as voxel_mm, got \[1\.0\]"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(tmp_path, said, message):
    run = trained(tmp_path / "runs")
    path = run.folder / "run.json"
    record = json.loads(path.read_text())
    record["cohort"] |= said
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"^run {run.record.key[:8]}: {message}"):
        Applied(Run(run.folder))


def test_values_that_do_not_fit_into_a_bmp_are_stored_in_a_png(tmp_path):
    cohort = with_card(tiny_cohort(2, 2), values=(0, 1000), voxel_mm=(1.0, 1.0))
    run = trained(tmp_path / "runs", SMALL, cohort)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    found = segment(run, tmp_path / "a.bmp", tmp_path / "out")
    assert found.mask.name == "a.png"
    assert set(np.unique(np.asarray(Image.open(found.mask)))) <= {0, 1000}
