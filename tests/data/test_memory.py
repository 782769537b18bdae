import os
from pathlib import Path

import numpy as np
import pytest

from medseg_lab.data import memory


@pytest.fixture
def groups(tmp_path, monkeypatch) -> Path:
    """A machine of 1000 bytes with control groups of both generations."""
    monkeypatch.setattr(memory, "_installed", lambda: 1000)
    monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "membership")
    files = {"": (str(tmp_path), "memory.max"), "memory": (str(tmp_path / "memory"), "memory.limit_in_bytes")}
    monkeypatch.setattr(memory, "CONTROL_GROUPS", files)
    return tmp_path


def limit(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)


def test_without_control_groups_it_is_what_is_installed(groups):
    assert memory.physical_memory() == 1000


@pytest.mark.parametrize(("line", "folder", "name"), [
    ("0::/a/b", "", "memory.max"),
    ("4:memory:/a/b", "memory", "memory.limit_in_bytes"),
])  # fmt: skip
@pytest.mark.parametrize("group", ["", "a", "a/b"])
def test_a_lower_limit_of_any_group_around_counts(groups, line, folder, name, group):
    (groups / "membership").write_text(f"3:cpuset:/\n{line}\n")
    limit(groups / folder / group / name, "400\n")
    assert memory.physical_memory() == 400


@pytest.mark.parametrize("value", ["max", "9223372036854771712", ""])
def test_a_group_without_a_limit_does_not_count(groups, value):
    (groups / "membership").write_text("0::/\n")
    limit(groups / "memory.max", value)
    assert memory.physical_memory() == 1000


def test_a_group_of_others_does_not_count(groups):
    (groups / "membership").write_text("0::/a\n")
    limit(groups / "b" / "memory.max", "400")
    assert memory.physical_memory() == 1000


def test_this_machine_has_some():
    assert 2**28 < memory.physical_memory() < 2**50


def resident() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(memory._trim() is None, reason="another C library than glibc")
def test_freed_memory_between_blocks_in_use_is_given_back():
    blocks = [np.ones(2**13) for _ in range(3000)]  # 64 KiB each, 197 MB in all
    blocks = blocks[:: len(blocks) - 1]  # the first and the last, which hold the rest between them
    before = resident()
    memory.give_back()
    assert before - resident() > 100e6
    assert len(blocks) == 2
