"""Checkpoints that are damaged, and places that are full: the run ends with the same bits all the same."""

import errno
import os
import warnings
from pathlib import Path

import pytest
import torch
from learning_toys import train_tiny
from safetensors import SafetensorError
from toys import SMALL, differing, tiny_cohort, trained

from medseg_lab.training import unfinished
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised
from medseg_lab.training.unfinished import SafeCheckpoints, whole_or_nothing

METHOD = recipe(Supervised, network=SMALL)


@pytest.fixture
def cut(tmp_path, monkeypatch) -> Path:
    """The folder of a training that was stopped after two steps of four, with a checkpoint."""
    monkeypatch.setattr("toys.Checkpoints", SafeCheckpoints)
    with pytest.raises(KeyboardInterrupt):
        trained(METHOD, tiny_cohort(2, unlabelled=0), tmp_path / "cut", stop=2, checkpoint_seconds=0)
    return tmp_path / "cut"


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("name", ["weights.safetensors", "optimisers.pt", "curves.json"])
@pytest.mark.parametrize(
    "harm", [shorter, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"[]"), Path.unlink]
)
def test_a_damaged_checkpoint_is_a_warning_and_the_training_begins_anew(cut, tmp_path, name, harm):
    harm(cut / "step-00000002" / name)
    with pytest.warns(UserWarning, match=r"step-00000002: damaged \(.*this training begins anew") as said:
        again, curves = trained(METHOD, tiny_cohort(2, unlabelled=0), cut)
    whole, other = trained(METHOD, tiny_cohort(2, unlabelled=0), tmp_path / "whole")
    assert differing(again, whole) == []
    assert [row["step"] for row in curves.rows] == [row["step"] for row in other.rows] == [0, 1, 2, 3]
    assert "\n" not in str(said[0].message)


def test_a_whole_checkpoint_is_gone_on_from(cut):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps: list[int] = []
        trained(METHOD, tiny_cohort(2, unlabelled=0), cut, watch=lambda _, step: steps.append(step))
    assert steps == [2, 3]


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 10**9),
        (SafetensorError("I/O error: No space left on device (os error 28)"), 10**9),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 662"), 0),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_no_half(tmp_path, monkeypatch, error, free):
    (tmp_path / ".writing-a").mkdir()
    (tmp_path / ".writing-b").mkdir()  # another process's
    monkeypatch.setattr(unfinished, "free", lambda _: free)
    with (
        pytest.raises(RuntimeError, match="the disk is full"),
        whole_or_nothing(tmp_path / "a"),
    ):
        raise error
    assert [path.name for path in tmp_path.iterdir()] == [".writing-b"]


def test_what_is_no_fault_of_the_disk_is_told_as_it_is(tmp_path):
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), whole_or_nothing(tmp_path / "a"):
        raise RuntimeError("shapes differ")


def test_a_run_that_had_no_room_is_made_when_there_is_some(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("medseg_lab.training.durable._sync", full)
        with pytest.raises(RuntimeError, match="the disk is full"):
            train_tiny(tmp_path / "full")
    assert list((tmp_path / "full").glob("**/.writing-*")) == []
    one, two = train_tiny(tmp_path / "full"), train_tiny(tmp_path / "whole")
    assert not one.replayed
    assert torch.equal(*(run.learner(recipe=run.recipe).student[0].weight for run in (one, two)))


def test_a_process_that_died_after_it_published_leaves_nothing_to_the_next(tmp_path):
    run = train_tiny(tmp_path)
    (trained_file,) = (tmp_path / ".trained").iterdir()
    key = trained_file.read_text()
    trained_file.unlink()
    left = tmp_path / ".partial" / trained_file.name / "step-00000004"
    left.mkdir(parents=True)
    assert train_tiny(tmp_path).replayed
    assert trained_file.read_text() == key == run.record.key
    assert not left.parent.exists()
