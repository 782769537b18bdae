import shutil

import nibabel as nib
import numpy as np
import pytest
import torch

from medseg_lab.data import catalogue, cohort, splits
from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import Chosen
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.readers import open as readers
from medseg_lab.data.readers.msd import MsdReader
from medseg_lab.data.readers.reader import Raw


@pytest.fixture
def toy(msd_folder):
    return str(msd_folder(20))


def lighten(path):
    """The same volume, a little brighter."""
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, image.affine), path)


def ids(cases):
    return [case.id for case in cases]


def test_parts_share_no_patient_and_leave_none_out(toy):
    cohort = load_cohort(toy)
    parts = [*cohort.labelled, *cohort.validation, *cohort.open_test("a test")]
    assert sorted(case.patient for case in parts) == [f"toy_{i:03d}" for i in range(20)]


def test_images_are_normalised_and_labels_are_what_the_file_holds(toy):
    case = load_cohort(toy).labelled[0]
    assert case.image.dtype == torch.float32
    assert case.labels.dtype == torch.uint8
    assert abs(float(case.image.mean())) < 1e-5
    assert case.label.unique().tolist() == [0, 1, 2]


def test_the_unlabelled_have_no_labels_and_the_labelled_are_nested(toy):
    few, more = load_cohort(toy, labelled=3), load_cohort(toy, labelled=8)
    assert ids(few.labelled) == ids(more.labelled)[:3]
    assert ids(few.labelled + few.unlabelled) == ids(load_cohort(toy).labelled)
    assert all(case.labels.shape == (0, *case.image.shape[1:]) for case in few.unlabelled)
    assert ids(few.validation) == ids(more.validation)


def test_a_capped_cohort_is_a_prefix_in_every_part(toy):
    full, capped = load_cohort(toy), load_cohort(toy, cases=10)
    for part in ("labelled", "validation"):
        some = ids(getattr(capped, part))
        assert some == ids(getattr(full, part))[: len(some)]
    some = ids(capped.open_test("a test"))
    assert some == ids(full.open_test("a test"))[: len(some)]
    assert "10 cases (capped: the data set has 20)" in capped.describe()


def test_a_cap_leaves_every_part_a_patient_however_small_it_is(toy):
    cohort = load_cohort(toy, cases=2)
    assert (len(cohort.labelled), len(cohort.validation), cohort.test_size) == (3, 1, 1)


def test_test_files_are_not_decoded_until_the_test_is_opened(toy, monkeypatch):
    read = []
    original = MsdReader.read
    monkeypatch.setattr(MsdReader, "read", lambda self, c, *how: (read.append(c), original(self, c, *how))[1])
    cohort = load_cohort(toy)
    before = set(read)
    opened = ids(cohort.open_test("final table"))
    assert before.isdisjoint(opened)
    assert cohort.openings == ["final table"]


def test_the_test_is_not_opened_without_a_reason(toy):
    with pytest.raises(ValueError, match="got no reason"):
        load_cohort(toy).open_test(" ")


def test_the_fingerprint_follows_files_preprocessing_split_and_code(toy, tmp_path, monkeypatch):
    first = load_cohort(toy).fingerprint
    assert load_cohort(toy).fingerprint == first
    others = {
        load_cohort(toy, split_seed=1).fingerprint,
        load_cohort(toy, labelled=3).fingerprint,
        load_cohort(toy, cases=10).fingerprint,
    }
    changed = tmp_path / "changed"
    shutil.copytree(toy, changed)
    lighten(changed / "imagesTr" / "toy_003.nii.gz")
    others.add(load_cohort(str(changed)).fingerprint)
    monkeypatch.setitem(readers.MODULES, "msd", readers.MODULES["msd"][:-1])
    others.add(load_cohort(toy).fingerprint)
    assert len(others | {first}) == 6


def test_the_fingerprint_does_not_follow_the_place(toy, tmp_path):
    shutil.copytree(toy, tmp_path / "elsewhere" / "Task99_Toy")
    assert load_cohort(str(tmp_path / "elsewhere" / "Task99_Toy")).fingerprint == load_cohort(toy).fingerprint


def small_virtual(monkeypatch):
    """The embedded cohort with coarse subjects, so that a test is quick."""
    card = load_card("virtual-brain")
    coarse = card.model_validate(
        card.model_dump() | {"virtual": {"subjects": 8, "settings": {"resolution": 4}}}
    )
    original = catalogue.load_card
    monkeypatch.setattr(catalogue, "load_card", lambda i: coarse if i == "virtual-brain" else original(i))


def test_auto_falls_back_to_virtual_subjects_and_says_so(monkeypatch):
    small_virtual(monkeypatch)
    cohort = load_cohort("auto")
    assert cohort.is_virtual
    said = cohort.describe()
    assert "VIRTUAL" in said
    assert "one anatomy" in said
    assert "msd-hippocampus was preferred but is not at hand" in said
    assert "MEDSEG_DATA is not set" in said


def test_a_virtual_cohort_that_was_asked_for_replaces_nothing(monkeypatch):
    small_virtual(monkeypatch)
    cohort = load_cohort("virtual-brain")
    assert cohort.notes == ()
    assert cohort.task.classes == ("background", "CSF", "grey matter", "white matter")


def test_auto_takes_the_preferred_real_set_at_hand(msd_folder, tmp_path, monkeypatch):
    msd_folder(20, name="data/msd-hippocampus/Task04_Hippocampus")
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path / "data"))
    cohort = load_cohort("auto")
    assert (cohort.id, cohort.is_virtual, cohort.notes) == ("msd-hippocampus", False, ())


def test_an_id_that_is_not_at_hand_is_an_error_and_never_a_substitute():
    with pytest.raises(ValueError, match="data set msd-hippocampus: got nothing at"):
        load_cohort("msd-hippocampus")


def test_an_unknown_name_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="got 'hippo', wanted one of auto, acdc, chase-db1"):
        load_cohort("hippo")


def test_the_test_part_is_decoded_once_however_often_it_is_opened() -> None:
    cohort = load_cohort("virtual-brain", cases=5)
    first, again = cohort.open_test("one run"), cohort.open_test("another run")
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert cohort.openings == ["one run", "another run"]


def test_the_same_image_under_two_patients_is_refused_before_anything_is_prepared(toy, monkeypatch):
    shutil.copy(f"{toy}/imagesTr/toy_000.nii.gz", f"{toy}/imagesTr/toy_003.nii.gz")
    monkeypatch.setattr(cohort, "Loader", None)
    with pytest.raises(ValueError, match=r"toy_00[03]: got the image of toy_00[03] again"):
        load_cohort(toy)


def test_a_patient_who_comes_into_two_parts_is_refused(toy, monkeypatch):
    monkeypatch.setattr(splits, "shuffled", lambda patients, seed: (*sorted(set(patients)), "toy_001"))
    with pytest.raises(ValueError, match="patient toy_001: got parts train and test, wanted one part only"):
        load_cohort(toy)


class Scribbled:
    """Ten images, each with a dense annotation and with scribbles: one corner, the rest left open."""

    channels = 1

    def __init__(self) -> None:
        self.asked: dict[str, set[str]] = {}

    def patients(self) -> dict[str, str]:
        return {f"s{i}": f"s{i}" for i in range(10)}

    def read(self, case: str, annotation: str = "dense") -> Raw:
        self.asked.setdefault(case, set()).add(annotation)
        image = np.random.default_rng(int(case[1:])).normal(size=(1, 6, 7, 8)).astype(np.float32)
        labels = np.full((1, 6, 7, 8), IGNORE if annotation == "scribble" else 0, np.uint8)
        labels[:, :2, :2, :2] = 1
        return Raw(case, case, image, labels, (1.0, 1.0, 1.0))

    def digest(self, case: str) -> str:
        return case

    image_digest = digest


@pytest.mark.parametrize("mapped", [False, True])
def test_scribbles_are_trained_on_and_never_judged_by(monkeypatch, mapped):
    card = load_card("msd-hippocampus").model_copy(update={"annotation": "scribble", "id": "scribbled"})
    reader = Scribbled()
    monkeypatch.setattr(cohort, "choose", lambda dataset, prefer: Chosen(card, reader))
    data = load_cohort("scribbled", labelled=4, mapped=mapped)
    dense = (*data.validation, *data.open_test("a test"))
    assert all(case.label.unique().tolist() == [1, IGNORE] for case in data.labelled)
    assert all(case.label.unique().tolist() == [0, 1] for case in dense)
    first = data.labelled[0].id  # which is also read to see how large a cohort it is
    assert all(reader.asked[case.id] == {"scribble"} for case in data.labelled if case.id != first)
    assert all(reader.asked[case.id] == {"dense"} for case in (*dense, *data.unlabelled))
