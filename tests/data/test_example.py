"""The example folder is what a folder of one's own has to be."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import choose
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.example import RESOLUTION, write_example
from medseg_lab.data.own.inspection import inspect_folder
from medseg_lab.data.virtual.settings import VirtualSettings
from medseg_lab.data.virtual.subject import subject


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "images"
    write_example(folder, subjects=6)
    return folder


def test_it_is_in_the_layout_of_nnunet(folder: Path) -> None:
    said = json.loads((folder / "dataset.json").read_text())
    assert said["numTraining"] == 6
    assert said["labels"] == {"background": 0, "CSF": 1, "grey matter": 2, "white matter": 3}
    images = sorted(path.name for path in (folder / "imagesTr").iterdir())
    labels = sorted(path.name for path in (folder / "labelsTr").iterdir())
    assert labels == [f"brain_{index:03d}.nii.gz" for index in range(6)]
    assert images == [name.replace(".nii.gz", "_0000.nii.gz") for name in labels]


def test_it_says_that_it_is_virtual(folder: Path) -> None:
    assert choose(str(folder)).card.title.startswith("VIRTUAL subjects")
    assert "VIRTUAL" in load_cohort(str(folder)).describe()


def test_images_and_labels_lie_on_one_grid_of_millimetres(folder: Path) -> None:
    image = nibabel.load(folder / "imagesTr" / "brain_002_0000.nii.gz")
    label = nibabel.load(folder / "labelsTr" / "brain_002.nii.gz")
    assert image.shape == label.shape
    assert np.array_equal(image.affine, label.affine)
    assert image.header.get_zooms() == (RESOLUTION,) * 3
    assert set(np.unique(np.asarray(label.dataobj))) == {0, 1, 2, 3}


def test_white_matter_is_brighter_than_fluid_in_every_image(folder: Path) -> None:
    """In a T1 scan it is; so image and label belong together."""
    for case in range(6):
        image = np.asarray(nibabel.load(folder / "imagesTr" / f"brain_{case:03d}_0000.nii.gz").dataobj)
        label = np.asarray(nibabel.load(folder / "labelsTr" / f"brain_{case:03d}.nii.gz").dataobj)
        assert image[label == 3].mean() > 1.5 * image[label == 1].mean()


def test_inspection_finds_nothing_wrong(folder: Path) -> None:
    found = inspect_folder(folder)
    assert len(found.cases) == 6
    assert found.warnings == []
    assert found.card.patient_rule == "every case counts as one patient"


def test_its_subjects_are_not_those_of_virtual_brain(folder: Path) -> None:
    """Whoever trained on one has not seen the other."""
    ours = np.asarray(nibabel.load(folder / "labelsTr" / "brain_000.nii.gz").dataobj)
    seed = load_card("virtual-brain").virtual.seed
    theirs = subject(seed, 0, VirtualSettings(resolution=RESOLUTION)).labels[0].numpy()
    assert (theirs != ours).any()


def test_the_same_subjects_each_time(folder: Path, tmp_path: Path) -> None:
    write_example(tmp_path / "again", subjects=2)
    for name in ("imagesTr/brain_001_0000.nii.gz", "labelsTr/brain_001.nii.gz"):
        first, second = (nibabel.load(place / name) for place in (folder, tmp_path / "again"))
        assert np.array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))


def test_a_data_set_is_not_written_over(folder: Path) -> None:
    before = (folder / "dataset.json").read_text()
    with pytest.raises(ValueError, match=r"holds a dataset.json already"):
        write_example(folder, subjects=2)
    assert (folder / "dataset.json").read_text() == before
