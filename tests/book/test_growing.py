"""A book that can be read from the start, and grows while its chapters are executed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import nbformat
import psutil
import pytest
from typer.testing import CliRunner

from medseg_lab.cli.app import app
from medseg_lab.publishing import book as book_module
from medseg_lab.publishing.book import Book, BookError, repair, replace
from medseg_lab.publishing.execute import find_chapter
from medseg_lab.publishing.grow import GIVE_WAY, Publisher, ended_as_by_ctrl_c, grow
from medseg_lab.publishing.house import House
from tests.chapters.small import add_chapter, cell, with_book

# In the place of jupyter-book, which takes long: the assembled sources, copied.
COPY = """
import pathlib, shutil, sys
html = pathlib.Path(sys.argv[5]) / "_build" / "html"
shutil.copytree(sys.argv[3], html)
shutil.copy(html / "status.md", html / "index.html")
(html / "searchindex.js").touch()
"""
# A chapter that ends when the page of another has results; its own has none then.
SEES = """
import json, pathlib, time
other, own = (pathlib.Path({html!r}) / "2_supervised" / f"{{n}}_more.ipynb" for n in ("2.1.1", "2.1.2"))
for _ in range(300):
    if other.exists() and "41 + 1" in (text := other.read_text()) and '"42"' in text:
        break
    time.sleep(0.1)
print('"42"' in other.read_text(), "Not executed yet" in own.read_text())
"""


@pytest.fixture
def house(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Three chapters: one with a result, one that waits for the page of the first, one that fails."""
    monkeypatch.setattr(book_module, "BUILD", COPY)
    monkeypatch.setattr(Book, "data", {})
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MEDSEG_HOME", str(tmp_path))
    house = House(tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    add_chapter(house, "2.1.1", cell("41 + 1"))
    add_chapter(house, "2.1.2", cell(SEES.format(html=str(Book(house).html))))
    add_chapter(house, "2.1.3", cell("1 / 0"))
    with_book(house, root)
    (house.notebooks / "comparison" / "run_your_own.ipynb").unlink()
    return house


def results(book: Book, section: str) -> list[str]:
    """The texts of a page's outputs."""
    notebook = nbformat.read(book.html / "2_supervised" / f"{section}_more.ipynb", as_version=4)
    outputs = [out for one in notebook.cells if one.cell_type == "code" for out in one.outputs]
    return [(out.get("text") or out["data"]["text/plain"]).strip() for out in outputs]


def test_book_grows_while_chapters_are_executed_and_what_fails_does_not_stop_the_rest(house: House) -> None:
    book, result = Book(house), CliRunner().invoke(app, ["book"])
    said = result.stdout.splitlines()
    assert result.exit_code == 1
    assert result.stderr.startswith("error: failed, as their pages say: 2.1.3;")
    assert said[0].startswith("3 chapters at class on virtual-brain: 0 replayed, 3 to execute")
    assert results(book, "2.1.1") == ["42"]
    assert results(book, "2.1.2") == ["True True"]
    failed = (book.html / "2_supervised" / "2.1.3_more.ipynb").read_text()
    assert "cell 2: ZeroDivisionError: division by zero" in failed
    assert "2.1.3 More |  | class |  |  | **failed**: cell 2: ZeroDivisionError" in book.index.read_text()
    assert any(line.startswith("2.1.3 FAILED") for line in said)

    # Once it is put right, it alone is executed; then nothing has changed, and nothing is done.
    add_chapter(house, "2.1.3", cell("1 / 1"))
    said.clear()
    grow(house, say=said.append)
    assert said[0].startswith("3 chapters at class on virtual-brain: 2 replayed, 1 to execute")
    assert results(book, "2.1.3") == ["1.0"]
    assert "have been executed" not in book.index.read_text()
    before = book.index.stat().st_mtime_ns
    said.clear()
    assert grow(house, say=said.append) == book.index
    assert said == [
        "3 chapters at class on virtual-brain: 3 replayed, 0 to execute",
        f"the book, in which nothing has changed: {book.index}",
    ]
    assert book.index.stat().st_mtime_ns == before


def test_builds_run_one_at_a_time_and_of_the_latest_pages() -> None:
    """What is wrong with one is said, and does not stop the next."""
    began, go, built, said = Event(), Event(), [], []

    class Slow:
        index = Path("index.html")

        def build(self, pages, stop=None, nice=0):
            built.append((pages, nice))
            began.set()
            assert go.wait(30)
            if pages == ["first"]:
                raise BookError("a warning")

    publisher = Publisher(Slow(), said.append)
    publisher.publish(["first"], nice=0)
    assert began.wait(30)
    publisher.publish(["second"])
    publisher.publish(["third"])
    go.set()
    publisher._last.result()
    publisher.finish(["fourth"])
    publisher.close()
    assert built == [(["first"], 0), (["third"], GIVE_WAY), (["fourth"], 0)]
    assert said[0] == "a warning"


@pytest.mark.parametrize("change", ["prose", "runs", "html", "chapter"])
def test_whatever_the_book_is_made_of_makes_it_anew(house: House, tmp_path: Path, change: str) -> None:
    book = Book(house)
    pages = [find_chapter(one.path, house=house) for one in house.chapters()]
    book.build(pages)
    assert book.is_current(pages)
    if change == "prose":
        (house.book / "licence.md").write_text("# Licence\n\nAnother.")
    if change == "runs":
        (tmp_path / "runs" / "0123").mkdir(parents=True)
    if change == "html":
        book.index.unlink()
    if change == "chapter":
        add_chapter(house, "2.1.3", cell("2 / 0"))
        pages[2] = find_chapter("2.1.3", house=house)
    assert not book.is_current(pages)


def test_a_book_that_does_not_build_leaves_the_one_that_is_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(house)
    pages = [find_chapter(one.path, house=house) for one in house.chapters()]
    before = book.build(pages).read_text()
    (house.book / "licence.md").write_text("# Licence\n\nAnother.")
    monkeypatch.setattr(book_module, "BUILD", "raise SystemExit('ERROR: no memory')")
    with pytest.raises(BookError, match="no memory"):
        book.build(pages)
    assert book.index.read_text() == before


def test_a_kill_between_two_renames_is_repaired(tmp_path: Path) -> None:
    place, new = tmp_path / "html", tmp_path / "new"
    for folder, text in ((place, "old"), (new, "new")):
        folder.mkdir()
        (folder / "index.html").write_text(text)
    place.rename(tmp_path / "previous")
    repair(place)
    assert (place / "index.html").read_text() == "old"
    replace(place, new)
    repair(place)
    assert (place / "index.html").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["html"]


def test_a_book_without_jupyter_book_executes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medseg_lab.publishing.grow.find_spec", lambda name: None)
    monkeypatch.setattr("medseg_lab.publishing.grow.run_chapter", lambda *a, **k: pytest.fail("executed"))
    with pytest.raises(ModuleNotFoundError, match="jupyter_book"):
        grow(house)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_stopped_book_can_be_read_and_no_process_survives(house: House, tmp_path: Path, root: Path) -> None:
    """It is stopped while a chapter is executed and a build runs; `kill` is as Ctrl-C."""
    add_chapter(house, "2.1.2", cell("import time; open('began', 'w'); time.sleep(100)"))
    script = f"""
import pathlib, sys
from medseg_lab.cli.app import app
from medseg_lab.publishing import book
book.Book.data = {{}}
number = pathlib.Path("builds")
book.BUILD = '''{COPY}
import time
number = pathlib.Path("builds")
number.write_text(number.read_text() + "x" if number.exists() else "x")
time.sleep(0 if number.read_text() == "x" else 100)
'''
app(["book"])
"""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(lambda: (tmp_path / "began").exists() and (tmp_path / "builds").read_text() == "xx")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[0].splitlines()
    finally:
        process.kill()
    assert process.returncode == 130
    assert said[-1].startswith("stopped: 1 of 3 chapters executed; the book as far as it is: ")
    assert said[-1].endswith("The same command goes on from here.")
    assert not any("Traceback" in line for line in said), "\n".join(said)
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert "| **not yet** |" in Book(house).index.read_text()
    found = [find_chapter(one.path, house=house) for one in house.chapters()]
    assert [hasattr(one, "record") for one in found] == [True, False, False]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_build_ends_with_its_process_even_if_that_is_killed(tmp_path: Path, root: Path) -> None:
    script = f"""
from pathlib import Path
from threading import Event
from medseg_lab.publishing import book
book.BUILD = "import os, time; open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid())); time.sleep(100)"
book._run_sphinx(Path(), Path(), Event(), 0)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}
    )
    try:
        wait_for(lambda: (tmp_path / "pid").read_text())
    finally:
        process.kill()
        process.wait()
    build = int((tmp_path / "pid").read_text())
    wait_for(lambda: not psutil.pid_exists(build))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_is_to_outlive_its_terminal_is_not_stopped_with_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with ended_as_by_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) != signal.default_int_handler
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_for(condition) -> None:
    for _ in range(600):
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail("waited for a minute")
