"""Whatever goes wrong at the command line is one line without a traceback."""

import errno
import os
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import distribution, packages_distributions, requires
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from typer.testing import CliRunner, Result

from medseg_lab.cli.plain import EXTRAS, Plain

UNREADABLE = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def failing(error: BaseException) -> Result:
    """What a command prints that ends with this error."""
    app = typer.Typer(cls=Plain)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None:
        """A second one, so that the first has a name."""

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (ValueError("seeds: expected 2, got 3"), "error: seeds: expected 2, got 3", 2),
        (RuntimeError("first\nsecond"), "error: first", 1),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), "error: cannot write /x/y: Read-only ", 1),
        (OSError(errno.ENOSPC, "No space left on device"), "error: cannot write: No space left on device", 1),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x"), "error: cannot use /x: Not a dir", 1),
        (OSError("codec is missing"), "error: codec is missing", 1),
        (UNREADABLE, "error: a text cannot be read or written: 'utf-8' codec can't decode byte 0xff", 2),
        (ModuleNotFoundError("No module named 'pydicom'", name="pydicom.dataset"), "[dicom]", 1),
        (ModuleNotFoundError("No module named 'pandas'", name="pandas"), "No module named 'pandas'", 1),
        (ImportError("a: pip install pydicom", name="pydicom"), "error: a: pip install pydicom\n", 1),
        (MemoryError(), "error: out of memory", 1),
        (RecursionError("maximum recursion depth exceeded"), "error: a bug in medseg-lab: RecursionErr", 1),
        (
            KeyError("key"),
            "error: a bug in medseg-lab: KeyError: 'key'; MEDSEG_TRACEBACK=1 shows the traceback",
            1,
        ),
        (AssertionError(), "error: a bug in medseg-lab: AssertionError", 1),
        (KeyboardInterrupt(), "stopped", 130),
        (KeyboardInterrupt("stopped: 2 done"), "stopped: 2 done", 130),
    ],
)
def test_every_exception_is_one_line(error: BaseException, said: str, code: int) -> None:
    result = failing(error)
    assert result.exit_code == code
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_warning_is_a_note_on_one_line() -> None:
    app = typer.Typer(cls=Plain)
    app.command("one")(lambda: warnings.warn("left out a\nmore", stacklevel=1))
    app.command("two")(lambda: None)
    result = CliRunner().invoke(app, ["one"])
    assert (result.exit_code, result.stderr) == (0, "note: left out a\n")


def test_what_was_to_be_done_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory") as caught:
        (tmp_path / "file" / "folder").mkdir()
    said = f"error: cannot make the folder {tmp_path}/file/folder: Not a directory\n"
    assert failing(caught.value).stderr == said


def test_the_traceback_is_shown_to_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEG_TRACEBACK", "1")
    said = failing(KeyError("key")).stderr
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("error: a bug in medseg-lab: ")


def test_every_extra_of_users_is_known_with_modules_that_come_with_it(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert EXTRAS.keys() == extras.keys() - {"dev"}
    owners = packages_distributions()
    for extra, modules in EXTRAS.items():
        coming = closure(extras[extra])
        for module in modules:
            assert coming & {plain(name) for name in owners.get(module, [module])}, module


def closure(requirements: list[str]) -> set[str]:
    """The names of distributions that are installed with these."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        one = Requirement(waiting.pop())
        if plain(one.name) in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(plain(one.name))
        try:
            distribution(one.name)
        except ModuleNotFoundError:
            continue
        waiting += requires(one.name) or []
    return found


def plain(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def started(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with these arguments."""
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("module", ["medseg_lab", "medseg_lab.cli.app"])
def test_the_command_line_is_a_module_too(module: str) -> None:
    done = started("-m", module, "--help", TERM="dumb")
    assert done.returncode == 0
    assert "Usage: medseg [OPTIONS]" in done.stdout


def test_who_imports_the_start_again_does_not_run_it() -> None:
    done = started("-c", "import multiprocessing, medseg_lab.__main__; print('imported')")
    assert (done.returncode, done.stdout) == (0, "imported\n")


def test_a_package_that_is_not_whole_is_one_line_at_the_start() -> None:
    code = "import sys; sys.modules['rich'] = None; from medseg_lab.__main__ import main; main()"
    done = started("-c", code)
    assert done.returncode == 1
    assert done.stderr.startswith("error: medseg-lab is not completely installed: ")
    assert len(done.stderr.splitlines()) == 1


def test_what_the_terminal_cannot_show_is_shown_in_ascii() -> None:
    code = (
        "import typer; from medseg_lab.cli.plain import Plain; app = typer.Typer(cls=Plain)\n"
        "app.command('one')(lambda: print('心脏 \\udcff')); app.command('two')(lambda: None)\n"
        "app(['one'])"
    )
    done = started("-c", code, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, r"\u5fc3\u810f \udcff" + "\n")


@pytest.mark.skipif(os.name != "posix", reason="the shell")
def test_nothing_need_be_open_to_print_to() -> None:
    command = f"{shlex.quote(sys.executable)} -m medseg_lab methods >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_pipe_that_is_closed_is_silent() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "medseg_lab", "methods"], stdout=closed, stderr=subprocess.PIPE
        )
    assert done.stderr == b""
