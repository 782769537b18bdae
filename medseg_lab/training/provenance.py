"""Which source files a result depends on, and hashes of what in them can change it."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "medseg_lab"


def sources(modules: Iterable[str], wording: bool = False) -> dict[str, str]:
    """The files that `modules` are made of, transitively: `{"medseg_lab/networks/unet.py": hash, ...}`.

    Imports are read from the syntax tree, at the top of a file or inside a function; those for type checking
    alone are not followed, since they cannot change a result. Followed are imports of this library, and of
    files in the folders of the other `modules` (a reader's own `mine.py`, and `helpers.py` beside it). A
    package's `__init__` counts with each of its modules. A module imported by a computed name is not seen.

    Args:
        modules: dotted names.
        wording: whether a file counts byte by byte, for what shows source, captions or messages; else what it
            computes counts alone (`code_hash`).

    Raises:
        ValueError: for a module that has no source file, such as `__main__`: what is defined in a notebook
            cannot be told apart from its next version.
    """
    waiting = sorted(set(modules))
    own = {import_folder(path) for name in waiting if (path := module_file(name.partition(".")[0]))}
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = module_file(name)
        if path is None:
            raise ValueError(f"module: expected an importable one, got {name!r}, which has no source file")
        found[_relative(name, path)] = file_hash(path) if wording else code_hash(path)
        parents = [name.rpartition(".")[0]] if "." in name else []
        waiting += [m for m in (*parents, *_imports(name, path)) if _is_followed(m, own)]
    return dict(sorted(found.items()))


def _is_followed(module: str, own: set[Path]) -> bool:
    root = module.partition(".")[0]
    if root != PACKAGE and ((file := module_file(root)) is None or import_folder(file) not in own):
        return False
    return module_file(module) is not None


def import_folder(file: Path) -> Path:
    """The folder from which a top-level module or package is imported."""
    return file.parent.parent if file.name == "__init__.py" else file.parent


_own: dict[str, str] = {}
"""Hashes of the user's own files when they were imported."""


def note_own(module: str) -> None:
    """Note the files of a user's own module as they are when it is imported.

    Raises:
        RuntimeError: for a file that was edited since: what runs is what was imported.
    """
    for name, found in sources([module]).items():
        if not name.startswith(f"{PACKAGE}/") and _own.setdefault(name, found) != found:
            raise RuntimeError(
                f"{name} was edited after it was imported; restart Python (in Jupyter: the kernel)"
            )


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_hash(path: Path) -> str:
    """SHA-256 of what a file computes: neither layout, comments, docstrings nor the texts of errors count."""
    return _read(path)[0]


def _read(path: Path) -> tuple[str, tuple[ast.Import | ast.ImportFrom, ...]]:
    """Of a file: the hash of what it computes, and its imports at run time."""
    return _parsed(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=4096)
def _parsed(path: Path, modified: int, size: int) -> tuple[str, tuple[ast.Import | ast.ImportFrom, ...]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = tuple(node for node in _run(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return hashlib.sha256(ast.dump(_Bare().visit(tree)).encode()).hexdigest(), imports


class _Bare(ast.NodeTransformer):
    """Leaves out of a syntax tree what is only read: docstrings and the texts of exceptions."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        found = self.generic_visit(node)
        return node.orelse if _is_type_checking(node) else found

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


def digest(value: Any) -> str:
    """SHA-256 of plain data (what JSON can say), whatever the order of its keys: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=4096)
def module_file(name: str) -> Path | None:
    """The `.py` file of a module, found without running it; None for what is not a module with a source."""
    if name == "__main__":
        return None
    parent, _, _ = name.rpartition(".")
    if parent and (above := module_file(parent)) is not None:
        if above.name != "__init__.py":
            return None
        here = above.parent / name.rpartition(".")[2]
        return next((p for p in (here.with_suffix(".py"), here / "__init__.py") if p.is_file()), None)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _relative(name: str, path: Path) -> str:
    """The file's path from the folder that holds its top-level package."""
    parts = name.split(".")
    return "/".join([*(parts if path.name == "__init__.py" else parts[:-1]), path.name])


def _imports(name: str, path: Path) -> Iterator[str]:
    """Every dotted name that the file imports at run time; `from a import b` gives both `a` and `a.b`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _read(path)[1]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a syntax tree, without what stands under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _is_type_checking(node):
            yield from (part for other in node.orelse for part in (other, *_run(other)))
        else:
            yield node
            yield from _run(node)


def _is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
