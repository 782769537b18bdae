"""A file is there whole or not at all, and what killed processes left goes with the next write."""

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medseg_lab.data.whole_file import own_name, remove_abandoned, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_or_refused_as_told(tmp_path):
    target = tmp_path / "a.csv"
    write_whole(target, b"one")
    write_whole(target, b"two")
    with pytest.raises(ValueError, match=r"a\.csv: expected no such file yet, got one"):
        write_whole(target, b"three", replace=False)
    assert target.read_bytes() == b"two"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("replace", [True, False])
def test_where_there_are_no_hard_links_a_file_is_still_never_overwritten(tmp_path, monkeypatch, replace):
    def none(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", none)
    write_whole(tmp_path / "a", b"one", replace)
    with pytest.raises(ValueError, match="got one"):
        write_whole(tmp_path / "a", b"two", replace=False)
    assert names(tmp_path) == ["a"]


def _write(folder, number, barrier, told):
    barrier.wait(60)
    try:
        write_whole(folder / "card.toml", bytes([number]) * 100_000, replace=False)
        told.put(number)
    except ValueError:
        told.put(None)


def test_of_several_processes_that_write_the_same_new_file_one_does(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_write, args=(tmp_path, n, barrier, told)) for n in range(3)]
    for process in processes:
        process.start()
    found = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    (first,) = [number for number in found if number is not None]
    assert (tmp_path / "card.toml").read_bytes() == bytes([first]) * 100_000
    assert names(tmp_path) == ["card.toml"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    dead, host = int(child.stdout), socket.gethostname()
    kept = [own_name(".a"), f".a.{host}x-{dead}-0", f".b.{host}-{dead}-0", f".a.{host}-me-0", ".a.old"]
    for name in (*kept, f".a.{host}-{dead}-0"):
        (tmp_path / name).touch()
    remove_abandoned(tmp_path, ".a")
    assert names(tmp_path) == sorted(kept)
