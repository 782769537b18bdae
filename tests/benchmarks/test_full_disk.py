"""A command on a disk that is full, then not: a small file system, where one can be mounted."""

import shutil
import subprocess
import sys

import full_disk
import pytest


def may_mount() -> bool:
    """Whether this process may mount a file system for itself."""
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "medseg", "/mnt"]
    return shutil.which("unshare") is not None and not subprocess.run(tried, capture_output=True).returncode


@pytest.mark.skipif(not may_mount(), reason="only root may mount a file system")
def test_a_card_is_written_whole_or_not_at_all_and_then_when_there_is_room() -> None:
    script = [sys.executable, full_disk.__file__, "--only", "data add", "--shares", "0"]
    done = subprocess.run(["unshare", "-m", *script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| data add | 0% | as it should be |" in done.stdout
