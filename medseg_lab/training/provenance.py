"""Which source files a piece of this library depends on, and their hashes."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "medseg_lab"


def sources(modules: Iterable[str]) -> dict[str, str]:
    """The files that `modules` are made of, transitively: `{"medseg_lab/networks/unet.py": sha256, ...}`.

    Imports are read from the syntax tree, wherever they stand: at the top, inside a function, relative, or
    for type checking only. Followed are those into this library and into the packages that `modules` lie in
    (a reader's own learner counts as much as ours). A package's `__init__` counts with each of its modules.
    A module imported by a computed name is not seen.

    Args:
        modules: dotted names.

    Raises:
        ValueError: for a module that has no source file, such as `__main__`: what is defined in a notebook
            cannot be told apart from its next version.
    """
    waiting = sorted(set(modules))
    roots = {name.partition(".")[0] for name in waiting} | {PACKAGE}
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = module_file(name)
        if path is None:
            raise ValueError(f"module: got {name!r}, which has no source file; wanted an importable one")
        found[_relative(name, path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        parents = [name.rpartition(".")[0]] if "." in name else []
        imported = [m for m in _imports(name, path) if m.partition(".")[0] in roots]
        waiting += [m for m in parents + imported if module_file(m) is not None]
    return dict(sorted(found.items()))


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
    """Every dotted name that the file imports; `from a import b` gives both `a` and `a.b`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
