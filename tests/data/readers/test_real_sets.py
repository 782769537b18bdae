"""The five sets as their provenance describes them: facts that were counted without our readers."""

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE
from medseg_lab.data.choose import choose
from medseg_lab.data.fingerprint import CaseDigest, content_digest, refuse_duplicates


@pytest.fixture
def reader(root, monkeypatch):
    """`reader("acdc")`, where the set is at hand."""
    data = root.parent / "shared" / "data"

    def at_hand(dataset):
        if not (data / dataset).is_dir():
            pytest.skip(f"{dataset} is not at hand in shared/data")
        monkeypatch.setenv("MEDSEG_DATA", str(data))
        return choose(dataset).reader

    return at_hand


COUNTS = {
    "acdc": (40, 20),
    "chase-db1": (28, 14),
    "dsb2018-nuclei": (160, 160),
    "lidc-4rater": (658, 218),
    "msd-hippocampus": (260, 260),
}


@pytest.mark.parametrize("dataset", COUNTS)
def test_a_set_has_its_cases_and_patients_and_no_duplicates(reader, dataset):
    source = reader(dataset)
    whose = source.patients()
    assert (len(whose), len(set(whose.values()))) == COUNTS[dataset]
    images = {case: content_digest(torch.from_numpy(source.read(case).image)) for case in whose}
    refuse_duplicates(CaseDigest(case, whose[case], image, None, None) for case, image in images.items())


def test_hearts_have_their_shapes_and_scribbles_agree_with_the_dense_labels(reader):
    source = reader("acdc")
    agree = known = 0
    for case in source.patients():
        dense, marks = (source.read(case, how) for how in ("dense", "scribble"))
        x, y, z = dense.image.shape[1:]
        assert 6 <= z <= 18 < 154 <= min(x, y)
        assert (dense.image.min(), dense.image.max(), dense.spacing) == (0, 1, None)
        there = marks.labels != IGNORE
        known += there.sum()
        agree += (marks.labels == dense.labels)[there].sum()
    assert agree / known == pytest.approx(0.99995, abs=1e-5)


def test_the_left_ventricle_lies_inside_its_wall(reader):
    """Of what touches the cavity (3) in the plane and is not it, nearly all is wall (2)."""
    source = reader("acdc")
    label = source.read("patient001_frame01").labels[0]
    cavity = label == 3
    touched = np.zeros_like(cavity)
    for axis in (0, 1):
        for step in (-1, 1):
            touched |= np.roll(cavity, step, axis)
    around = label[touched & ~cavity]
    assert (around == 2).mean() > 0.9


def test_two_observers_of_the_retina_agree_as_published(reader):
    source = reader("chase-db1")
    dice = []
    for case in source.patients():
        raw = source.read(case)
        assert raw.image.shape == (3, 960, 999)
        first, second = raw.labels.astype(bool)
        dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
    assert np.mean(dice) == pytest.approx(0.777, abs=5e-4)
    assert (min(dice), max(dice)) == (pytest.approx(0.739, abs=5e-4), pytest.approx(0.827, abs=5e-4))


def test_readings_of_nodules_fill_as_many_slots_as_published(reader):
    source = reader("lidc-4rater")
    raws = [source.read(case) for case in source.patients()]
    assert {raw.image.shape for raw in raws} == {(1, 128, 128)}
    filled = [int(raw.labels.any((1, 2)).sum()) for raw in raws]
    assert np.bincount(filled, minlength=5).tolist() == [0, 199, 124, 117, 218]
    shares = np.mean([raw.labels.any((1, 2)) for raw in raws], 0)
    np.testing.assert_allclose(shares, [0.99, 0.70, 0.51, 0.34], atol=6e-3)


def test_nuclei_cover_as_much_as_published_and_are_brighter(reader):
    source = reader("dsb2018-nuclei")
    raws = [source.read(case) for case in source.patients()]
    assert np.mean([raw.labels.mean() for raw in raws]) == pytest.approx(0.082, abs=5e-4)
    assert all(raw.image[raw.labels == 1].mean() > raw.image[raw.labels == 0].mean() for raw in raws)


def test_the_front_of_the_hippocampus_lies_in_front(reader):
    source = reader("msd-hippocampus")
    ahead = []
    for case in list(source.patients())[::10]:
        raw = source.read(case)
        assert raw.spacing == (1.0, 1.0, 1.0)
        centres = [np.argwhere(raw.labels[0] == value).mean(0) for value in (1, 2)]
        ahead.append((centres[0] - centres[1])[1])
    assert np.mean(ahead) == pytest.approx(18, abs=1.5)


@pytest.mark.parametrize("case", ["hippocampus_003", "hippocampus_243"])
def test_labels_that_are_stored_as_floats_are_whole(reader, case):
    assert np.unique(reader("msd-hippocampus").read(case).labels).tolist() == [0, 1, 2]
