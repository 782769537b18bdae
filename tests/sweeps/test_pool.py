"""Worker processes: real ones, really killed."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor, CancelledError
from pathlib import Path

import pytest

from medseg_lab.sweeps.pool import LocalPool
from tests.sweeps.sweep_toys import lives, until


def pid() -> int:
    return os.getpid()


def variable(name: str) -> str:
    return os.environ[name]


def shout(text: str) -> None:
    print(text, flush=True)


def wait_for(go: str, begun: str) -> int:
    """Say that it has begun, and wait for leave to end."""
    Path(begun).write_text(str(os.getpid()))
    until(Path(go).exists)
    return os.getpid()


def unwound(begun: str, ended: str) -> None:
    """Wait for ever; leave a file when unwound."""
    try:
        wait_for(begun + "-never", begun)
    finally:
        Path(ended).touch()


def crash() -> None:
    ctypes.string_at(0)


def fail() -> None:
    raise KeyError("no")


def number_in(path: Path) -> int:
    return int(until(lambda: path.exists() and path.read_text()))


@pytest.fixture
def two():
    pool = LocalPool([{"WHO": "first"}, {"WHO": "second"}])
    yield pool
    pool.stop()


def test_a_killed_worker_loses_its_job_and_no_other(two, tmp_path):
    jobs = [two.submit(wait_for, str(tmp_path / "go"), str(tmp_path / f"begun-{n}")) for n in (0, 1)]
    victim, other = (number_in(tmp_path / f"begun-{n}") for n in (0, 1))
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(BrokenExecutor):
        jobs[0].result(timeout=120)
    (tmp_path / "go").touch()
    assert jobs[1].result(timeout=120) == other
    fresh = {two.submit(pid).result(timeout=120) for _ in range(6)}
    assert victim not in fresh


def test_each_worker_has_its_own_environment_before_it_begins(two, tmp_path):
    held = two.submit(wait_for, str(tmp_path / "go"), str(tmp_path / "begun"))
    number_in(tmp_path / "begun")
    other = two.submit(variable, "WHO").result(timeout=120)
    (tmp_path / "go").touch()
    held.result(timeout=120)
    assert other in ("first", "second")
    assert "WHO" not in os.environ


def test_what_a_worker_prints_goes_to_its_log(tmp_path):
    with LocalPool([{}], tmp_path) as pool:
        pool.submit(shout, "hello").result(timeout=120)
    assert (tmp_path / "worker-0.log").read_text() == "hello\n"


def test_a_crash_in_native_code_leaves_its_stack_with_the_exception(tmp_path):
    with LocalPool([{}], tmp_path) as pool, pytest.raises(BrokenExecutor) as caught:
        pool.submit(crash).result(timeout=120)
    (note,) = caught.value.__notes__
    assert "Segmentation fault" in note
    assert "in crash" in note


def test_an_exception_of_a_call_comes_back_and_the_worker_lives_on(two):
    with pytest.raises(KeyError, match="no"):
        two.submit(fail).result(timeout=120)
    assert two.submit(pid).result(timeout=120) != os.getpid()


def test_stopping_unwinds_what_runs_cancels_what_waits_and_leaves_no_process(tmp_path):
    pool = LocalPool([{}])
    running = pool.submit(unwound, str(tmp_path / "begun"), str(tmp_path / "ended"))
    waiting = pool.submit(pid)
    worker = number_in(tmp_path / "begun")
    pool.stop()
    assert (tmp_path / "ended").exists()
    assert isinstance(running.exception(timeout=0), BrokenExecutor)
    with pytest.raises(CancelledError):
        waiting.result(timeout=0)
    assert not lives(worker)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(pid)


def test_stopping_a_pool_that_never_began_is_quiet():
    LocalPool([{}, {}]).stop()


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    from medseg_lab.sweeps.pool import LocalPool
    from tests.sweeps.test_pool import wait_for
    pool = LocalPool([{}])
    pool.submit(wait_for, sys.argv[2] + "/never", sys.argv[2] + "/begun").result()
"""


def test_workers_end_with_the_process_that_started_them_even_if_it_is_killed(tmp_path, root):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(root), str(tmp_path)])
    try:
        worker = number_in(tmp_path / "begun")
        parent.kill()
        parent.wait()
        until(lambda: not lives(worker))
    finally:
        parent.kill()
        parent.wait()


def test_a_script_without_a_guard_is_told_what_is_missing(tmp_path, root):
    script = tmp_path / "unguarded.py"
    script.write_text(PARENT.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, str(script), str(root), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1
    assert "sweep() belongs under `if __name__ == '__main__':`" in done.stderr


def test_ctrl_c_reaches_the_sweep_alone(two, tmp_path):
    held = two.submit(wait_for, str(tmp_path / "go"), str(tmp_path / "begun"))
    worker = number_in(tmp_path / "begun")
    os.kill(worker, signal.SIGINT)
    (tmp_path / "go").touch()
    assert held.result(timeout=120) == worker


def test_a_worker_starts_only_when_there_is_work():
    before = {child.pid for child in multiprocessing.active_children()}
    with LocalPool([{}] * 5) as pool:
        pool.submit(pid).result(timeout=120)
        started = {child.pid for child in multiprocessing.active_children()} - before
    assert len(started) == 1


def test_ctrl_c_is_not_the_workers_business():
    with LocalPool([{}, {}]) as pool:
        heeded = [pool.submit(signal.getsignal, signal.SIGINT) for _ in range(4)]
        assert {future.result() for future in heeded} == {signal.SIG_IGN}
