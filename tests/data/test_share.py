"""A cohort for other processes: small, the same bits, sealed."""

import pickle
import shutil
from dataclasses import replace

import pytest
import torch
from toys import tiny_cohort

from medseg_lab.data import prepared, share
from medseg_lab.data.batches import Batches
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.share import PARTS, shared
from medseg_lab.data.task import Task


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("in_memory", [False, True])
def test_the_cases_are_the_same_wherever_they_are(in_memory):
    cohort = tiny_cohort(raters=2)
    sent = pickle.dumps(shared(cohort))
    assert len(sent) < 5000
    opened = pickle.loads(sent).open(in_memory)
    assert opened.fingerprint == cohort.fingerprint
    assert opened.openings == []
    mine, others = (
        [case for name in PARTS for case in getattr(one, name)] + list(one.sealed())
        for one in (cohort, opened)
    )
    assert len(mine) == 7
    for case, other in zip(mine, others, strict=True):
        assert isinstance(other, MappedCase) != in_memory
        assert (other.id, other.patient, other.spacing) == (case.id, case.patient, case.spacing)
        assert torch.equal(other.image, case.image)
        assert torch.equal(other.labels, case.labels)
    assert cohort.openings == []


def test_a_process_opens_it_once_and_files_are_written_once():
    cohort = tiny_cohort()
    assert shared(cohort) is shared(cohort)
    assert pickle.loads(pickle.dumps(shared(cohort))).open() is shared(cohort).open()
    files = {path: path.stat().st_mtime_ns for path in prepared.folder().rglob("*.npy")}
    shared(tiny_cohort())
    assert files == {path: path.stat().st_mtime_ns for path in prepared.folder().rglob("*.npy")}


def test_files_that_were_deleted_are_written_again():
    cohort = tiny_cohort()
    shared(cohort)
    shutil.rmtree(prepared.folder())
    assert torch.equal(shared(cohort).open().labelled[0].image, cohort.labelled[0].image)


def test_cases_that_differ_in_spacing_alone_have_files_of_their_own():
    cohort = tiny_cohort()
    wider = replace(cohort.labelled[0], spacing=(2.0, 2.0, 2.0))
    other = replace(cohort, labelled=(wider, *cohort.labelled[1:]), fingerprint="other")
    shared(cohort)
    assert shared(other).open().labelled[0].spacing == (2.0, 2.0, 2.0)
    assert shared(cohort).open().labelled[0].spacing == (1.0, 1.0, 1.0)


def test_cases_are_read_as_a_whole_only_where_all_processes_have_room_for_them(monkeypatch):
    """A cohort that is on disk because it is larger than memory stays there."""
    cohort = tiny_cohort()
    found = shared(cohort)
    monkeypatch.setattr(share, "physical_memory", lambda: 4 * 3 * found.held)
    assert (found.fits_memory(3), found.fits_memory(4)) == (True, False)
    on_disk = replace(cohort, labelled=found.open().labelled)
    assert not shared(on_disk).fits_memory(1)


@pytest.mark.parametrize("reading", ["reference", "random", "consensus", "boxes", "spoiled"])
@pytest.mark.parametrize("dims", [2, 3])
def test_batches_of_it_have_the_same_bits(reading, dims):
    cohort = tiny_cohort(raters=2, classes=3)
    task = Task(1, cohort.task.classes, dims)
    one, other = (
        Batches(each, task, 3 * 8**dims, 8, seed=1, unlabelled=True, reading=reading).batch(2)
        for each in (cohort, shared(cohort).open())
    )
    assert torch.equal(one.image, other.image)
    assert torch.equal(one.label, other.label)
    assert torch.equal(one.unlabelled, other.unlabelled)
