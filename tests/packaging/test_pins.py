"""One set of pins: constraints.txt, environment.yml and pyproject.toml agree."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import yaml


def normal(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    """`name==version` lines as a dictionary."""
    split = [line.split("==") for line in lines if "==" in line]
    return {normal(name): version for name, version in split}


def direct(root: Path) -> set[str]:
    """The names of what pyproject.toml asks for."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for group in project["optional-dependencies"].values() for name in group),
    ]
    return {normal(re.match(r"[\w.-]+", name).group()) for name in wanted}


def conda(root: Path) -> list[str]:
    """The pip part of environment.yml."""
    environment = yaml.safe_load((root / "environment.yml").read_text())
    return next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))


def test_every_direct_dependency_is_pinned(root: Path) -> None:
    assert direct(root) <= pins((root / "constraints.txt").read_text().splitlines()).keys()


def test_conda_environment_has_the_same_pins(root: Path) -> None:
    locked = pins((root / "constraints.txt").read_text().splitlines())
    assert pins(conda(root)) == {name: locked[name] for name in direct(root)}


def test_conda_environment_takes_the_rest_from_the_lock_file(root: Path) -> None:
    assert "--constraint constraints.txt" in conda(root)


def test_package_data_is_installed() -> None:
    package = files("medseg_lab")
    for name in ("py.typed", "survey/sections.toml", "semi/ua_mt.toml", "data/cards/virtual-brain.toml"):
        assert package.joinpath(name).is_file(), name


def test_package_data_patterns_cover_every_table(root: Path) -> None:
    config = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "medseg_lab"
    ]
    covered = {path for pattern in config for path in (root / "medseg_lab").glob(pattern)}
    found = (path for path in (root / "medseg_lab").rglob("*") if path.is_file() and path.name[0] != ".")
    assert {path for path in found if path.suffix not in {".py", ".pyc"}} <= covered
