"""A bar in a terminal and in a live notebook; nothing in a log."""

import io
import sys

import pytest

from medseg_lab.training import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(stream, monkeypatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.progress_bar("U-Net", 1, 3) as move:
        move("dice 0.5")
        move("dice 0.4")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def no_switch(monkeypatch):
    monkeypatch.delenv(progress.SWITCH, raising=False)


def test_a_terminal_gets_one_line_that_is_wiped(monkeypatch):
    text = drive(Terminal(), monkeypatch)
    assert "U-Net" in text
    assert "\n" not in text
    assert text.split("\r")[-1].strip() == ""


def test_a_log_gets_nothing(monkeypatch):
    assert drive(io.StringIO(), monkeypatch) == ""


def test_the_switch_is_obeyed_everywhere(monkeypatch):
    monkeypatch.setenv(progress.SWITCH, "0")
    assert drive(Terminal(), monkeypatch) == ""


def test_without_a_title_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.progress_bar("", 0, 3) as move:
        move("dice 0.5")
    assert sys.stderr.getvalue() == ""


def test_a_live_notebook_gets_a_widget(monkeypatch):
    pytest.importorskip("ipywidgets")
    from IPython.core import getipython

    monkeypatch.setattr(getipython, "get_ipython", lambda: type("ZMQInteractiveShell", (), {})())
    assert progress.place(io.StringIO()) == "notebook"
