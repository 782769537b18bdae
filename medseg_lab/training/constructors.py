"""What a recipe may call: the library's constructors, with their arguments, read without importing them.

Reading the ledger of a few thousand runs must not cost the import of torch, so names and defaults come from
the syntax trees of the source files.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medseg_lab.training.provenance import PACKAGE, module_file

ROOMS = ("networks", "losses", "training", "inference", "semi", "uncertainty", "evaluation")
ROOT = Path(__file__).parents[1]
REQUIRED = object()
"""Stands where an argument has no default."""
COMPUTED = object()
"""Stands for a default that is not plain data in the source."""


@dataclass(frozen=True)
class Constructor:
    """A class or function of this library.

    Args:
        target: its dotted path.
        defaults: its arguments in order, each with its default, `REQUIRED` or `COMPUTED`.
    """

    target: str
    defaults: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.target.rpartition(".")[2]


@cache
def constructors() -> dict[str, tuple[str, ...]]:
    """The public classes and functions of the rooms that recipes draw on: a name to its dotted paths."""
    found: dict[str, tuple[str, ...]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
            for name in _definitions(path):
                if not name.startswith("_"):
                    found[name] = (*found.get(name, ()), f"{module}.{name}")
    return found


def find(name: str) -> Constructor:
    """The constructor with this name, or dotted path.

    Raises:
        ValueError: if there is none, or several; then the message has their dotted paths.
    """
    if "." in name:
        return constructor(name)
    paths = constructors().get(name, ())
    if not paths:
        from difflib import get_close_matches

        near = get_close_matches(name, constructors(), n=3, cutoff=0.5)
        raise ValueError(f"got {name!r}, wanted a class or function of {PACKAGE}{_like(near)}")
    if len(paths) > 1:
        raise ValueError(f"got {name!r}, wanted one of {', '.join(paths)}")
    return constructor(paths[0])


@cache
def constructor(target: str) -> Constructor:
    """The constructor at a dotted path.

    Raises:
        ValueError: if nothing is there.
    """
    module, _, name = target.rpartition(".")
    path = module_file(module) if module.split(".")[0] == PACKAGE else None
    node = _definitions(path).get(name) if path else None
    if node is None:
        raise ValueError(f"got {target!r}, wanted the dotted path of a class or function of {PACKAGE}")
    assert path is not None
    function = node if isinstance(node, ast.FunctionDef) else _init(node, path)
    found = _arguments(function, path) if function else _fields(node, path)
    return Constructor(target, dict(found))


def _like(near: list[str]) -> str:
    return f" (like {' or '.join(near)})" if near else ""


@cache
def _definitions(path: Path) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _init(node: ast.ClassDef, path: Path) -> ast.FunctionDef | None:
    """The class's `__init__`, or that of its first base which is found."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return part
    for base in node.bases:
        place = _place(ast.unparse(base), path)
        found = _definitions(place[0]).get(place[1]) if place else None
        if place and isinstance(found, ast.ClassDef):
            return _init(found, place[0])
    return None


def _place(name: str, path: Path) -> tuple[Path, str] | None:
    """The file and name that a name in the file `path` stands for, if it is of this library."""
    if name in _definitions(path):
        return path, name
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) and node.module else ():
            module = str(node.module) if isinstance(node, ast.ImportFrom) else ""
            if (alias.asname or alias.name) == name and module.split(".")[0] == PACKAGE:
                file = module_file(module)
                return (file, alias.name) if file else None
    return None


def _arguments(function: ast.FunctionDef, path: Path) -> Iterator[tuple[str, Any]]:
    """All arguments but those that the caller fills in: `self` is left out, the rest have their defaults."""
    said = function.args
    names = [a.arg for a in (*said.posonlyargs, *said.args)]
    defaults = [REQUIRED] * (len(names) - len(said.defaults)) + [_plain(d, path) for d in said.defaults]
    for name, default in zip(names, defaults, strict=True):
        if name != "self":
            yield name, default
    for argument, value in zip(said.kwonlyargs, said.kw_defaults, strict=True):
        yield argument.arg, REQUIRED if value is None else _plain(value, path)


def _fields(node: ast.ClassDef | ast.FunctionDef, path: Path) -> Iterator[tuple[str, Any]]:
    """Of a dataclass or a named tuple."""
    for part in node.body:
        if isinstance(part, ast.AnnAssign):
            yield ast.unparse(part.target), REQUIRED if part.value is None else _plain(part.value, path)


def _plain(node: ast.expr, path: Path) -> Any:
    """A default as plain data, with lists for tuples as in a recipe; names of constants are looked up."""
    if isinstance(node, ast.Name):
        for part in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(part, ast.Assign) and [ast.unparse(t) for t in part.targets] == [node.id]:
                return _plain(part.value, path)
    try:
        return _listed(ast.literal_eval(node))
    except ValueError:
        return COMPUTED


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, list | tuple) else value
