"""All that can change an executed chapter, as hashes: the inputs whose digest is its key."""

import ast
import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medseg_lab.data.catalogue import is_known, known_cards, load_card
from medseg_lab.data.choose import own_folder
from medseg_lab.data.locate import find, require
from medseg_lab.publishing.house import Chapter, House, source, tags
from medseg_lab.survey.configurations import configurations
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import PACKAGE, digest, module_file, sources

ROOT = Path(__file__).parents[1]
TABLES = {".toml", ".mplstyle", ".html", ".css", ".js"}


def inputs(chapter: Chapter, parameters: dict[str, Any], house: House) -> dict[str, Any]:
    """What the chapter's outputs depend on, by name; nested dictionaries of text.

    `notebook` is its cells without outputs, `library` the transitive sources of what its cells import or
    name, with the tables (cards, claims, styles) beside them, `data` what the chosen data set is made of,
    `lock` the pinned versions, and then the parameters and the interpreter.
    """
    library = sources([*imported(chapter), *named(chapter)])
    return {
        "notebook": notebook_hash(chapter),
        "library": {**library, **tables(library)},
        "data": _data(parameters),
        "lock": file_hash(house.constraints),
        "parameters": parameters,
        "versions": {"python": platform.python_version(), "torch": version("torch")},
    }


def key(values: dict[str, Any]) -> str:
    """The digest of the inputs: 16 hexadecimal digits."""
    return digest(values)[:16]


def changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The names of the inputs that differ, library files one by one."""
    names = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            names += [
                part for part in sorted(before.keys() | after.keys()) if before.get(part) != after.get(part)
            ]
        elif before != after:
            names.append(name)
    return names


def notebook_hash(chapter: Chapter) -> str:
    """Of the cells' kinds, texts and tags: neither outputs nor counters nor the editor's metadata."""
    return digest(
        [[cell["cell_type"], source(cell), sorted(tags(cell))] for cell in chapter.notebook["cells"]]
    )


def imported(chapter: Chapter) -> list[str]:
    """The modules of this library that the chapter's code cells import."""
    from IPython.core.inputtransformer2 import TransformerManager

    found: set[str] = set()
    for cell in chapter.notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(source(cell)))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(name for name in found if name.split(".")[0] == PACKAGE and module_file(name))


def named(chapter: Chapter) -> list[str]:
    """The modules of the methods that a chapter with a sweep may name: those of all configurations."""
    if not any(name.startswith(f"{PACKAGE}.sweeps") for name in imported(chapter)):
        return []
    return sorted({m for one in configurations() if one.recipe for m in parse(one.recipe).modules})


def data_identity(dataset: str) -> dict[str, str]:
    """What the data set is made of, without reading it: a digest of its files' names, sizes and dates, by id.

    `auto` may take any data set that is at hand, so all of them count. A simulated one has no files; its
    generator is part of the library. Which one was used, and its fingerprint, is in the chapter's report.

    Raises:
        ValueError: if the data set is unknown or not at hand, naming the known ones.
    """
    if dataset == "auto":
        at_hand = {name: find(load_card(name)) for name in known_cards()}
        return {name: files_digest(folder) for name, folder in at_hand.items() if folder is not None}
    if is_known(dataset):
        card = load_card(dataset)
        return {} if card.reader == "virtual" else {dataset: files_digest(require(card))}
    return {dataset: files_digest(own_folder(dataset))}


def _data(parameters: dict[str, Any]) -> dict[str, str]:
    """The identity of what `dataset` names, and of the files in `folder`, where a chapter has them."""
    named = [str(parameters[name]) for name in ("dataset", "folder") if parameters.get(name)]
    return {name: found for dataset in named for name, found in data_identity(dataset).items()}


def files_digest(folder: Path) -> str:
    """Of the names, sizes and dates of a folder's files."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def tables(library: Iterable[str]) -> dict[str, str]:
    """Hashes of the package data (TOML, styles, templates) in the rooms of the given source files."""
    rooms = {Path(path).parts[1] for path in library if len(Path(path).parts) > 2}
    found = {}
    for room in sorted(rooms):
        for path in sorted((ROOT / room).rglob("*")):
            if path.is_file() and path.suffix in TABLES:
                found[path.relative_to(ROOT.parent).as_posix()] = file_hash(path)
    return found


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
