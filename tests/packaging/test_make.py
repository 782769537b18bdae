"""The two commands of the README, as far as they can be looked at without installing."""

import subprocess
from pathlib import Path

import pytest

FILES = ("Makefile", "constraints.txt", "pyproject.toml")


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """A folder with what make reads."""
    for name in FILES:
        (tmp_path / name).write_bytes((root / name).read_bytes())
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True)


def installed(clone: Path) -> None:
    (clone / ".venv").mkdir()
    for name in (".created", ".installed"):
        (clone / ".venv" / name).touch()


@pytest.mark.parametrize("target", ["book", "test", "lab", "check"])
def test_fresh_clone_makes_its_environment_first(clone: Path, target: str) -> None:
    steps = make(clone, "--dry-run", target).stdout
    assert "-m venv" in steps
    assert "--constraint constraints.txt" in steps


def test_installed_clone_does_not_install_again(clone: Path) -> None:
    installed(clone)
    assert "pip install" not in make(clone, "--dry-run", "test").stdout


def test_new_pins_make_a_new_environment(clone: Path) -> None:
    import os

    installed(clone)
    later = (clone / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(clone / "constraints.txt", (later, later))
    assert "-m venv --clear" in make(clone, "--dry-run", "test").stdout


def test_python_that_is_too_old_is_named(clone: Path) -> None:
    old = clone / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(clone, f"PYTHON={old}", "test")
    assert done.returncode != 0
    assert f"{old}: Python 3.11 or newer is wanted" in done.stdout
