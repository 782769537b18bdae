"""All that can change an executed chapter, as hashes: the inputs whose digest is its key."""

import ast
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medseg_lab.data.catalogue import is_known, known_cards, load_card
from medseg_lab.data.choose import own_folder
from medseg_lab.data.locate import find, require
from medseg_lab.data.readers.folder import folders_of
from medseg_lab.publishing.house import Chapter, House, source, tags
from medseg_lab.record.store import read_entries
from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import Configuration, configurations
from medseg_lab.survey.measures import measures
from medseg_lab.survey.methods import sections
from medseg_lab.training.names import configuration_in, recipe_called
from medseg_lab.training.notation import add_own_modules
from medseg_lab.training.provenance import PACKAGE, digest, file_hash, module_file, sources

ROOT = Path(__file__).parents[1]
CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)", re.DOTALL)
"""What a recipe as text looks like."""
TABLES = {".mplstyle", ".html", ".css", ".js"}


def inputs(chapter: Chapter, parameters: dict[str, Any], house: House) -> dict[str, Any]:
    """What the chapter's outputs depend on, by name; nested dictionaries of text.

    `notebook` is its cells without outputs, `library` the transitive sources of what its cells import or
    name, with the styles and templates beside them, `survey` the rows of the tables that it uses, `record`
    the runs on record that it may show, `data` what the chosen data set is made of, `lock` the pinned
    versions, and then the parameters and the interpreter.
    """
    library = sources([*imported(chapter), *named(chapter)], wording=True)
    return {
        "notebook": notebook_hash(chapter),
        "library": {**library, **tables(library)},
        "survey": survey_rows(chapter),
        "record": recorded(chapter),
        "data": _data(chapter, parameters),
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
    """The modules that the chapter's code cells import, of this library and beside the chapter."""
    add_own_modules(chapter.path.parent)
    found: set[str] = set()
    for node in nodes(chapter):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = chapter.path.parent.resolve()
    return sorted(
        name
        for name in found
        if (file := module_file(name)) and (name.split(".")[0] == PACKAGE or file.resolve().parent == own)
    )


def named(chapter: Chapter) -> list[str]:
    """The modules of the methods that the chapter's code cells name, by configuration or by recipe."""
    add_own_modules(chapter.path.parent)
    found: set[str] = set()
    for text in literals(chapter):
        if configuration_in(text) or CALL.fullmatch(text):
            for said in (text, configuration_in(text)):  # of a text that is put together, the name alone
                with suppress(ValueError):  # what only looks like a recipe
                    found |= set(recipe_called(said).modules)
    return sorted(found)


def configurations_of(chapter: Chapter) -> list[Configuration]:
    """The configurations that the chapter's code cells name, as literal text."""
    names = {configuration_in(text) for text in literals(chapter)}
    return [one for one in configurations() if one.name in names]


def survey_rows(chapter: Chapter) -> dict[str, str]:
    """Digests of the rows that the chapter uses: configurations, sections and their claims, measures."""
    texts = {chapter.section, *literals(chapter)}
    configured = {one.name: one for one in configurations_of(chapter)}
    claimed = {claim.id: claim for claim in claims() if claim.section in texts}
    measured = {measure.id: measure for measure in measures()}
    titles = {section.id: section.title for section in sections() if section.id in texts}
    rows: dict[str, BaseModel] = {**configured, **claimed, **measured}
    return {name: digest(row.model_dump(mode="json")) for name, row in rows.items()} | titles


def recorded(chapter: Chapter) -> str:
    """A digest of the runs on record that the chapter may show: of methods that it or its claims name."""
    texts = {chapter.section, *literals(chapter)}
    shown = {one.name for one in configurations_of(chapter)}
    shown |= {name for claim in claims() if claim.section in texts for name in claim.methods}
    return digest(sorted(entry.record.key for entry in read_entries() if entry.method in shown))


def literals(chapter: Chapter) -> set[str]:
    """The texts in the chapter's code cells."""
    return {n.value for n in nodes(chapter) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def nodes(chapter: Chapter) -> Iterator[ast.AST]:
    """The syntax tree of the chapter's code cells."""
    from IPython.core.inputtransformer2 import TransformerManager

    for cell in chapter.notebook["cells"]:
        if cell["cell_type"] == "code":
            yield from ast.walk(ast.parse(TransformerManager().transform_cell(source(cell))))


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
    folder, *others = folders_of(own_folder(dataset))
    return {dataset: files_digest(folder), **{str(other): files_digest(other) for other in others}}


def _data(chapter: Chapter, parameters: dict[str, Any]) -> dict[str, str]:
    """The identity of what `dataset` names, of the files in `folder`, and of data sets that cells name.

    A cell's data set (`lesson.on("acdc")`) may be missing; it then counts as nothing.
    """
    named = [str(parameters[name]) for name in ("dataset", "folder") if parameters.get(name)]
    found = {name: one for dataset in named for name, one in data_identity(dataset).items()}
    cards = [load_card(text) for text in sorted(literals(chapter)) if is_known(text)]
    return {card.id: files_digest(folder) for card in cards if (folder := find(card)) is not None} | found


def files_digest(folder: Path) -> str:
    """Of the names, sizes and dates of a folder's files."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def tables(library: Iterable[str]) -> dict[str, str]:
    """Hashes of the styles, templates and cards in the rooms of the given source files."""
    rooms = {Path(path).parts[1] for path in library if len(Path(path).parts) > 2}
    found = {}
    for room in sorted(rooms):
        folder = ROOT / room / "cards" if room == "data" else ROOT / room
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in TABLES | ({".toml"} if room == "data" else set()):
                found[path.relative_to(ROOT.parent).as_posix()] = file_hash(path)
    return found
