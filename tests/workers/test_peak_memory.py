"""The memory of a process and of those that it started."""

import subprocess
import sys
import time

import numpy as np

from medseg_lab.workers import memory
from medseg_lab.workers.memory import peak_memory, taken

CHILD = "import sys; kept = bytearray(b'x' * 80_000_000); print('there', flush=True); sys.stdin.read()"


def test_children_count_and_the_peak_stays_when_they_are_gone(monkeypatch):
    monkeypatch.setattr(memory, "SECONDS", 0.05)
    peak_memory.cache_clear()
    peak, before = peak_memory(), taken()
    assert peak_memory() is peak  # one thread for all that ask
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        assert taken() - before > 80e6
        time.sleep(0.5)
        child.stdin.close()
    assert taken() - before < 40e6
    assert peak.mb > (before + 80e6) / 1e6


def test_what_two_processes_map_counts_once(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.ones(25_000_000))  # 200 MB
    script = (
        f"import numpy, sys; kept = numpy.load({str(path)!r}, mmap_mode='r'); kept.sum();"
        "print('there', flush=True); sys.stdin.read()"
    )
    before, children = taken(), []
    for _ in range(2):
        children.append(
            subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        children[-1].stdout.readline()
    together = taken() - before
    for child in children:
        child.communicate()
    assert 200e6 < together < 2 * 200e6
