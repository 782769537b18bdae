import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medseg_lab.data import catalogue, cohort, prepared, splits
from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.choose import Chosen
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.fingerprint import CaseDigest, refuse_duplicates
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.readers.reader import Raw


@pytest.fixture
def toy(msd_folder):
    return str(msd_folder(20))


def rewrite(path, change, spacing=None):
    """The volume with its voxels changed in place, or with another spacing."""
    image = nib.load(path)
    voxels = np.array(np.asanyarray(image.dataobj))
    change(voxels)
    affine = image.affine if spacing is None else np.diag([*spacing, 1.0])
    nib.save(nib.Nifti1Image(voxels, affine), path)


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


@pytest.mark.parametrize("name", ["cases", "labelled", "draw"])
def test_a_number_that_is_text_is_refused_by_name(toy, name):
    with pytest.raises(ValueError, match=f"{name}: expected a whole number, got '3'"):
        load_cohort(toy, **{name: "3"})


def test_a_cap_leaves_every_part_a_patient_however_small_it_is(toy):
    cohort = load_cohort(toy, cases=2)
    assert (len(cohort.labelled), len(cohort.validation), cohort.test_size) == (3, 1, 1)


@pytest.mark.parametrize("mapped", [False, True])
def test_the_test_part_is_sealed_and_prepared_once(toy, monkeypatch, mapped):
    data = load_cohort(toy, mapped=mapped)
    assert data.openings == []
    monkeypatch.setattr(cohort, "Loader", None)
    first, again = data.open_test("one run"), data.open_test("another run")
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert data.openings == ["one run", "another run"]
    with pytest.raises(ValueError, match="test: the reason for opening it is empty"):
        data.open_test(" ")


def listing(folder, **changes):
    """Change `dataset.json`."""
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def one_voxel(voxels):
    voxels[4, 4, 4] += 5


def one_label(voxels):
    voxels[1, 1, 1] = 1


def packed_again(folder, case):
    path = folder / "imagesTr" / f"{case}.nii.gz"
    nib.save(nib.load(path), path.with_suffix(""))
    nib.save(nib.load(path.with_suffix("")), path)
    path.with_suffix("").unlink()


LISTED = {"0": "background", "1": "front", "2": "back"}
CHANGES = {  # what is done to the folder, and whether it is another cohort
    "a voxel": (lambda f, c: rewrite(f / "imagesTr" / f"{c}.nii.gz", one_voxel), True),
    "a label": (lambda f, c: rewrite(f / "labelsTr" / f"{c}.nii.gz", one_label), True),
    "spacing": (lambda f, c: [rewrite(f / d / f"{c}.nii.gz", len, (1, 1, 1.005)) for d in PARTS], True),
    "order of classes": (lambda f, c: listing(f, labels=LISTED | {"1": "back", "2": "front"}), True),
    "wording": (lambda f, c: listing(f, name="another title", modality={"0": "another name"}), False),
    "packing": (packed_again, False),
}
PARTS = ("imagesTr", "labelsTr")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", ["labelled", "unlabelled", "test"])
def test_the_fingerprint_follows_the_content_of_every_case(toy, tmp_path, change, part):
    edit, counts = CHANGES[change]
    before = load_cohort(toy, labelled=5)
    case = before.sealed()[0] if part == "test" else getattr(before, part)[0]
    folder = tmp_path / "elsewhere" / "Task99_Toy"
    shutil.copytree(toy, folder)
    edit(folder, case.id)
    after = load_cohort(str(folder), labelled=5)
    if (change, part) == ("a label", "unlabelled"):
        counts = False  # it is withheld
    assert (before.fingerprint != after.fingerprint) == counts
    held_out = counts and (part == "test" or change == "order of classes")
    assert (before.held_out != after.held_out) == held_out


def test_the_fingerprint_follows_the_split_and_what_training_sees_of_the_preprocessing(toy, monkeypatch):
    loads = [{}, {"split_seed": 1}, {"labelled": 3}, {"cases": 10}]
    prints = [load_cohort(toy, **how).fingerprint for how in loads]
    chosen = cohort.choose(toy)
    how = chosen.card.preprocessing
    edits = [{"patch": (8, 8, 16)}, {"slice_patch": (8, 8)}, {"slice_axis": 0}, {"mirror": (0,)}]
    cards = [chosen.card.model_copy(update={"preprocessing": how.model_copy(update=e)}) for e in edits]
    # Dense labels under another name, as `annotation` is the only difference.
    monkeypatch.setattr(type(chosen.reader), "read", _any_annotation(type(chosen.reader).read))
    cards.append(chosen.card.model_copy(update={"annotation": "scribble"}))
    for card in cards:
        monkeypatch.setattr(cohort, "choose", lambda dataset, prefer, card=card: Chosen(card, chosen.reader))
        prints.append(load_cohort("toy").fingerprint)
    assert len(set(prints)) == len(loads) + len(cards)


def _any_annotation(read):
    return lambda self, case, annotation="dense": read(self, case)


@pytest.mark.parametrize("mapped", [False, True])
def test_the_fingerprint_does_not_follow_code(toy, monkeypatch, mapped):
    before = load_cohort(toy, mapped=mapped)
    monkeypatch.setattr(prepared, "source_digest", lambda *names: "an edited docstring")
    monkeypatch.setattr(Path, "read_text", _edited_sources(Path.read_text))
    after = load_cohort(toy, mapped=mapped)
    assert (before.fingerprint, before.held_out) == (after.fingerprint, after.held_out)
    assert isinstance(after.labelled[0], MappedCase) == mapped


def _edited_sources(read):
    return lambda path, *how, **named: (
        read(path, *how, **named) + ("# edited" if path.suffix == ".py" else "")
    )


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
    assert "msd-hippocampus was preferred but is not available" in said
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
    with pytest.raises(ValueError, match=r"data set msd-hippocampus: expected dataset\.json in"):
        load_cohort("msd-hippocampus")


def test_an_unknown_name_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"expected one of auto, acdc, chase-db1.*, got 'hippo'"):
        load_cohort("hippo")


def test_the_same_image_under_two_patients_is_refused(toy):
    shutil.copy(f"{toy}/imagesTr/toy_000.nii.gz", f"{toy}/imagesTr/toy_003.nii.gz")
    with pytest.raises(ValueError, match=r"cases toy_00[03] and toy_00[03]: .* two patients, toy_00[03] and"):
        load_cohort(toy)
    assert load_cohort(toy, cases=5)


def test_one_patient_may_have_an_image_twice():
    cases = [
        CaseDigest(f"c{i}", patient, image, None, None)
        for i, (patient, image) in enumerate(["ax", "ax", "by"])
    ]
    refuse_duplicates(cases)
    with pytest.raises(ValueError, match="cases c0 and d: the same image belongs to two patients, a and b"):
        refuse_duplicates([*cases, CaseDigest("d", "b", "x", None, None)])


@pytest.mark.parametrize("mapped", [False, True])
def test_a_case_without_a_labelled_voxel_is_refused_where_its_labels_are_used(msd_folder, mapped):
    folder = msd_folder(10, nnunet=True)
    table = json.loads((folder / "dataset.json").read_text())
    table["labels"]["ignore"] = 3
    (folder / "dataset.json").write_text(json.dumps(table))
    first, *others = ids(load_cohort(str(folder), mapped=mapped).labelled)

    def leave_open(voxels):
        voxels[...] = 3

    rewrite(folder / "labelsTr" / f"{others[-1]}.nii.gz", leave_open)
    with pytest.raises(
        ValueError, match=rf"^Task99_Toy: no voxel is annotated \(all are `ignore`\) in {others[-1]}:"
    ):
        load_cohort(str(folder), mapped=mapped)
    assert ids(load_cohort(str(folder), labelled=1, mapped=mapped).labelled) == [first]


@pytest.mark.parametrize("mapped", [False, True])
def test_an_error_names_the_data_set_and_the_case(toy, mapped):
    Path(toy, "imagesTr", "toy_004.nii.gz").write_bytes(b"no volume")
    with pytest.raises(ValueError, match=r"^Task99_Toy: case toy_004: .*toy_004\.nii\.gz: expected"):
        load_cohort(toy, mapped=mapped)


def test_too_few_patients_is_an_error_that_names_the_data_set(msd_folder):
    with pytest.raises(ValueError, match=r"^Task99_Toy: split: expected 5 patients or more, .* got 4"):
        load_cohort(str(msd_folder(4)))


def test_a_patient_who_comes_into_two_parts_is_refused(toy, monkeypatch):
    monkeypatch.setattr(splits, "shuffled", lambda patients, seed: (*sorted(set(patients)), "toy_001"))
    with pytest.raises(ValueError, match="patient toy_001: expected in one part only, got train and test"):
        load_cohort(toy)


class Scribbled:
    """Ten images, each with a dense annotation and with scribbles: one corner, the rest left open."""

    channels = 1

    def __init__(self) -> None:
        self.read_as: dict[str, set[str]] = {}

    def patients(self) -> dict[str, str]:
        return {f"s{i}": f"s{i}" for i in range(10)}

    def read(self, case: str, annotation: str = "dense") -> Raw:
        self.read_as.setdefault(case, set()).add(annotation)
        image = np.random.default_rng(int(case[1:])).normal(size=(1, 6, 7, 8)).astype(np.float32)
        labels = np.full((1, 6, 7, 8), IGNORE if annotation == "scribble" else 0, np.uint8)
        labels[:, :2, :2, :2] = 1
        return Raw(case, case, image, labels, (1.0, 1.0, 1.0))

    def digest(self, case: str) -> str:
        return case


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
    assert all(reader.read_as[case.id] == {"scribble"} for case in data.labelled if case.id != first)
    assert all(reader.read_as[case.id] == {"dense"} for case in (*dense, *data.unlabelled))
