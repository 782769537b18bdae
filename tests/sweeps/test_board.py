"""What a sweep shows while it runs."""

import io
import os
import socket
import subprocess
import time

import pytest
from rich.console import Console

from medseg_lab.sweeps.board import Lines, Table
from medseg_lab.sweeps.desk import Marker, at_work, clear, markers, open_desk
from medseg_lab.sweeps.jobs import Job, Outcome, Place
from medseg_lab.sweeps.summary import spelled
from medseg_lab.sweeps.tally import Tally

JOB = Job("U-Net, toy, seed 0", 1, 0)


def outcome(**said) -> Outcome:
    return Outcome(JOB.id, **said)


def test_the_rest_takes_as_long_as_what_took_work():
    tally = Tally(total=20, before=4, began=100.0)
    for one in [
        outcome(key="a"),
        outcome(key="b"),
        outcome(key="c", replayed=True),
        outcome(traceback="E: no"),
    ]:
        tally.count(one)
    assert (tally.made, tally.replayed, tally.failed, tally.ended) == (2, 1, 1, 8)
    # three took work in 60 seconds, twelve are left
    assert tally.rate(160.0) == pytest.approx(3 / 60)
    assert tally.left(160.0) == pytest.approx(240.0)
    assert tally.line(160.0) == "8 of 20: 2 done, 5 there already, 1 failed; 3.0 a minute, about 4 min left"


def test_before_the_first_has_ended_nothing_is_foretold():
    assert Tally(total=3, began=1.0).line(50.0) == "0 of 3: 0 done, 0 there already, 0 failed"


def test_at_the_end_nothing_is_left():
    assert Tally(total=1, made=1, began=1.0).line(2.0) == "1 of 1: 1 done, 0 there already, 0 failed"


def test_times_have_two_figures():
    said = [spelled(seconds) for seconds in (0.4, 99.4, 99.6, 150, 3540, 3600, 7500)]
    assert said == ["0 s", "99 s", "2 min", "2 min", "59 min", "1 h 0 min", "2 h 5 min"]


def test_elsewhere_than_on_a_terminal_each_event_is_a_line():
    lines: list[str] = []
    board = Lines(lines.append)
    board.tally = Tally(total=12, began=time.monotonic() - 30)
    board.ended(JOB, outcome(key="a", seconds=30, host="other"))
    board.ended(JOB, outcome(key="a", seconds=30, host=socket.gethostname()))
    board.ended(JOB, outcome(traceback="Traceback\n  line\nValueError: no\n"))
    board.ended(JOB, outcome(key="a", replayed=True))
    assert lines[0].startswith("[ 1/12] U-Net, toy, seed 0: done in 30 s (other); about ")
    assert lines[1].startswith("[ 2/12] U-Net, toy, seed 0: done in 30 s; about ")
    assert lines[2].startswith("[ 3/12] U-Net, toy, seed 0: FAILED: ValueError: no; about ")
    assert lines[3].startswith("[ 4/12] U-Net, toy, seed 0: there already; about ")


def drawn(running: list[Marker], width: int, height: int = 24, **tally) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    board = Table(console, lambda: running)
    board.tally = Tally(**tally)
    with console.capture() as captured:
        console.print(board._drawn(height))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(width):
    since = time.time() - 75
    long = "U-Net++ pruned with a long name, virtual-brain+lesion+raters, all labelled, seed 12"
    running = [Marker(f"j{n}", f"{n} {long}", "node-17", 123456, since) for n in range(3)]
    lines = drawn(running, width, total=8, made=3, failed=1, began=time.monotonic() - 60)
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("4 of 8: 3 done, 0 there already, 1 failed; 4.0 a minute, about 60 s left")
    (first,) = (line for line in lines if line.lstrip().startswith("0 U-Net++"))
    assert "node-17:123456" in first
    assert first.rstrip().endswith("75 s")


def test_more_than_the_terminal_holds_is_counted():
    running = [Marker(f"j{n}", f"job {n}", "vm", n, time.time()) for n in range(30)]
    tally = {"total": 40, "began": 1.0}
    assert any("and 18 more" in line for line in drawn(running, 80, height=40, **tally))
    small = drawn(running, 80, height=12, **tally)
    assert any("and 25 more" in line for line in small)
    assert len(small) <= 12


def test_before_the_first_job_the_table_says_what_is_going_on():
    assert drawn([], 80, total=0) == ["starting workers, and looking at what is there already ..."]


def test_a_failure_stays_above_the_table():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Table(console, lambda: []) as board:
        board.tally = Tally(total=2, began=time.monotonic())
        board.ended(JOB, outcome(key="a"))
        board.ended(JOB, outcome(traceback="ValueError: [no]"))
    said = console.file.getvalue()
    assert "U-Net, toy, seed 0: FAILED: ValueError: [no]" in said
    assert "done in" not in said


def test_a_marker_says_what_runs_where_and_since_when_and_goes(tmp_path):
    with open_desk(tmp_path) as desk:
        before = time.time()
        with at_work(JOB, Place(str(tmp_path), str(desk))):
            (marker,) = markers(desk)
        assert (marker.job, marker.title, marker.host) == (JOB.id, JOB.title, socket.gethostname())
        assert before <= marker.since <= time.time()
        assert markers(desk) == []
    assert not desk.exists()


def test_what_a_killed_sweep_left_goes_and_what_another_works_on_stays(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    here = socket.gethostname()
    sweeps = {
        "killed": f"{here} {gone.pid}",
        "alive": f"{here} {os.getpid()}",
        "far": f"far {gone.pid}",
        "new": "",
    }
    for name, text in sweeps.items():
        (tmp_path / ".running" / name).mkdir(parents=True)
        (tmp_path / ".running" / name / "here").write_text(text)
    with open_desk(tmp_path) as desk:
        left = {path.name for path in (tmp_path / ".running").iterdir()} - {desk.name}
    assert left == {"alive", "far", "new"}


def test_markers_are_longest_first_and_half_written_ones_are_passed_over(tmp_path):
    with open_desk(tmp_path) as desk:
        for name, since in (("a", 20), ("b", 10)):
            text = f'{{"job": "{name}", "title": "{name}", "host": "vm", "pid": 1, "since": {since}}}'
            (desk / f"{name}.json").write_text(text)
        (desk / "c.json").write_text('{"job": ')
        assert [marker.job for marker in markers(desk)] == ["b", "a"]
        clear(desk, "b")
        assert [marker.job for marker in markers(desk)] == ["a"]
