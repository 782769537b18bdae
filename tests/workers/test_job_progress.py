"""What is shown while jobs run."""

import io
import socket
import time

import pytest
from rich.console import Console

from medseg_lab.workers import progress as module
from medseg_lab.workers.jobs import Job, Outcome
from medseg_lab.workers.progress import Progress, shown, spelled

JOB = Job("U-Net, toy, seed 0", 1, 0)


def outcome(**said) -> Outcome:
    return Outcome(JOB.id, **said)


@pytest.fixture
def clock(monkeypatch):
    """Sets the time on `time.monotonic`'s clock."""
    return lambda now: monkeypatch.setattr(module.time, "monotonic", lambda: now)


def test_the_rest_takes_as_long_as_what_took_work(clock):
    progress = Progress(lambda text: None, total=20, before=4, started=100.0)
    clock(160.0)
    for one in [
        outcome(key="a"),
        outcome(key="b"),
        outcome(key="c", replayed=True),
        outcome(traceback="E: no"),
    ]:
        progress.job_ended(JOB, one)
    assert (progress.made, progress.replayed, progress.failed, progress.ended) == (2, 1, 1, 8)
    # three took work in 60 seconds, twelve are left
    assert progress.rate == pytest.approx(3 / 60)
    assert progress.seconds_left == pytest.approx(240.0)
    assert progress.line() == ("8 of 20: 2 done, 5 there already, 1 failed; 3.0 a minute, about 4 min left")


def test_before_the_first_has_ended_and_after_the_last_no_time_is_predicted():
    assert Progress(total=3, started=1.0).line() == "0 of 3: 0 done, 0 there already, 0 failed"
    assert Progress(total=1, made=1, started=1.0).line() == "1 of 1: 1 done, 0 there already, 0 failed"


def test_times_have_two_figures():
    said = [spelled(seconds) for seconds in (0.4, 99.4, 99.6, 150, 3540, 3600, 7500)]
    assert said == ["0 s", "99 s", "2 min", "2 min", "59 min", "1 h 0 min", "2 h 5 min"]


def test_elsewhere_than_on_a_terminal_each_event_is_a_line(clock):
    lines: list[str] = []
    progress = Progress(lines.append, total=12, started=1.0)
    clock(31.0)
    progress.job_ended(JOB, outcome(key="a", seconds=30, host="other"))
    progress.job_ended(JOB, outcome(key="a", seconds=30, host=socket.gethostname()))
    progress.job_ended(JOB, outcome(traceback="Traceback\n  line\nValueError: no\n"))
    progress.job_ended(JOB, outcome(key="a", replayed=True))
    assert lines[0] == "[ 1/12] U-Net, toy, seed 0: done in 30 s (other); about 6 min left"
    assert lines[1].startswith("[ 2/12] U-Net, toy, seed 0: done in 30 s; about ")
    assert lines[2].startswith("[ 3/12] U-Net, toy, seed 0: FAILED: ValueError: no; about ")
    assert lines[3].startswith("[ 4/12] U-Net, toy, seed 0: there already; about ")


def test_stopped_it_says_what_is_done_what_ran_and_what_remains():
    progress = Progress(total=9, before=1, made=2, failed=1)
    progress.job_began({"job": JOB.id, "title": JOB.title, "host": "vm", "pid": 1, "since": 0.0})
    said = "stopped: 3 done, 1 failed, 1 {}, 4 not started. The same command goes on from here."
    assert progress.stopped(keep_on=False) == said.format("interrupted")
    assert progress.stopped(keep_on=True) == said.format("left running on the cluster")


def drawn(running: list[str], width: int, height: int = 24, **said) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    progress = Progress(**said)
    for number, title in enumerate(running):
        began = {"job": str(number), "title": title, "host": "node-17", "pid": 123456}
        progress.job_began(began | {"since": time.time() - 75 + number})
    with console.capture() as captured:
        console.print(progress.table(height))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(width):
    long = "U-Net++ pruned with a long name, virtual-brain+lesion+raters, all labelled, seed 12"
    started = time.monotonic() - 60
    lines = drawn([f"{n} {long}" for n in range(3)], width, total=8, made=3, failed=1, started=started)
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("4 of 8: 3 done, 0 there already, 1 failed; 4.0 a minute, about 60 s left")
    (first,) = (line for line in lines if line.lstrip().startswith("0 U-Net++"))
    assert "node-17:123456" in first
    assert first.rstrip().endswith("75 s")


def test_more_than_the_terminal_holds_is_counted():
    running = [f"job {n}" for n in range(30)]
    assert any("and 18 more" in line for line in drawn(running, 80, height=40, total=40, started=1.0))
    small = drawn(running, 80, height=12, total=40, started=1.0)
    assert any("and 25 more" in line for line in small)
    assert len(small) <= 12


def test_before_the_first_job_the_table_says_what_is_going_on():
    assert drawn([], 80) == ["starting workers, and checking what is done already ..."]


def test_on_a_terminal_only_a_failure_has_a_line_above_the_table(monkeypatch):
    monkeypatch.delenv("MEDSEG_PROGRESS", raising=False)
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    with shown() as progress:
        progress.total = 2
        progress.start()
        progress.job_ended(JOB, outcome(key="a"))
        progress.job_ended(JOB, outcome(traceback="ValueError: [no]"))
    said = screen.getvalue()
    assert "U-Net, toy, seed 0: FAILED: ValueError: [no]" in said
    assert "done in" not in said


def test_in_a_notebook_the_table_is_replaced_and_leaves_nothing(monkeypatch, capsys):
    shown_texts = []

    class Handle:
        def update(self, html) -> None:
            shown_texts.append(html.data)

    monkeypatch.setattr(module, "place", lambda stream: "notebook")
    monkeypatch.setattr("IPython.display.display", lambda html, display_id: Handle())
    with shown() as progress:
        progress.total = 2
        progress.refresh()
        progress.start()
        progress.job_began({"job": JOB.id, "title": "U-Net <seed 0>", "host": "vm", "pid": 1, "since": 0.0})
        progress.refresh()
        progress.job_ended(JOB, outcome(key="a"))
    assert "starting workers" in shown_texts[0]
    assert "U-Net &lt;seed 0&gt;" in shown_texts[1]
    assert "0 of 2" in shown_texts[1]
    assert shown_texts[-1] == ""
    assert capsys.readouterr().out == ""


def test_a_clock_that_was_set_back_makes_no_job_run_for_less_than_nothing(monkeypatch):
    progress = Progress(total=1, started=1.0)
    began = {"job": "a", "title": "U-Net", "host": "here", "pid": 1, "since": time.time() + 3600}
    progress.job_began(began)
    console = Console(file=io.StringIO(), width=80)
    console.print(progress.table(20))
    shown = console.file.getvalue()
    assert "0 s" in shown
    assert "-" not in shown.partition("here:1")[2].splitlines()[0]
