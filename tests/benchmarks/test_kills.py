"""A sample of `benchmarks/kills.py`: real processes, real SIGKILL, on parts that take a moment."""

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.forkserver import _forkserver
from pathlib import Path

import kills
import pytest

from tests.record.record_runs import finished, noisy


def runs() -> None:
    """Finished runs, without a training."""
    for seed in range(3):
        finished(Path("runs"), "U-Net", seed, dice=noisy(0.8, seed))


def record() -> None:
    """All of them on record."""
    kills.medseg("record", "add")


PARTS = {one.name: one for one in kills.PARTS}
RECORD = replace(PARTS["record add"], work=record, needs=(runs,))
QUICK = [RECORD, PARTS["data add"], PARTS["prepared data"]]


@pytest.fixture(scope="module")
def killer(tmp_path_factory) -> Iterator[kills.Killer]:
    yield kills.Killer(tmp_path_factory.mktemp("killed"), seed=0)
    _forkserver._stop()  # a process has one server: the kernels of chapters want another


@pytest.mark.parametrize("part", QUICK, ids=lambda part: part.name)
def test_killed_at_random_moments_it_leaves_what_it_would_have_left(killer, part) -> None:
    row = killer.run(part, 3)
    assert (row.differing, row.left) == ([], [])
    assert row.kills == 3
    assert row.starts > row.rounds


@pytest.mark.parametrize("part", QUICK, ids=lambda part: part.name)
def test_done_by_two_processes_at_once_it_is_done_once(killer, part) -> None:
    row = killer.together(part, 2)
    assert (row.differing, row.left) == ([], [])
