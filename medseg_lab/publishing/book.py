"""The book: executed chapters, prose and generated pages, built into HTML that needs no network.

Sources are put together in `build/book-source/` and built by jupyter-book with execution off. Every page is
rendered anew: Sphinx keeps pages whose own text is unchanged, and with them the old titles of others.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.publishing.data_pages import data_pages
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.house import House
from medseg_lab.publishing.pages import generated_pages
from medseg_lab.publishing.standings_page import standings_pages

WIDGET = "application/vnd.jupyter.widget-view+json"


class BookError(RuntimeError):
    """The book did not build; the message holds the warnings and errors."""


def build_book(executed: list[Executed], house: House, output: Path | None = None) -> Path:
    """Assemble and build the book; a warning is an error.

    Args:
        executed: the chapters, in the order of the survey, then the pages that follow none.
        house: the checkout.
        output: folder for `_build/html`; by default `build/book`.

    Returns:
        The path of the built `index.html`.

    Raises:
        BookError: with the warnings and errors of the build.
    """
    output = (output or house.root / "build" / "book").resolve()
    sources = house.root / "build" / "book-source"
    assemble(executed, house, sources)
    shutil.rmtree(output / "_build", ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(sources)]
    options = ["--path-output", str(output), "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode:
        said = [
            line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line
        ]
        raise BookError("the book did not build:\n" + ("\n".join(said) or done.stdout + done.stderr))
    return output / "_build" / "html" / "index.html"


def assemble(executed: list[Executed], house: House, folder: Path) -> None:
    """Put the book's sources together in `folder`, in place of what was there."""
    wanted: dict[str, bytes] = {}
    for path in _files(house.book):
        wanted[path.relative_to(house.book).as_posix()] = path.read_bytes()
    for chapter in executed:
        wanted[page(chapter, house)] = _for_pages(json.loads(chapter.notebook.read_text(encoding="utf-8")))
    ledger = read_ledger()
    for name, text in generated_pages(executed, ledger).items():
        wanted[name] = text.encode()
    data = data_pages(house.book / "_static" / "data")
    wanted |= data | standings_pages(ledger)
    contents = yaml.safe_load((house.book / "_toc.yml").read_text(encoding="utf-8"))
    wanted["_toc.yml"] = yaml.safe_dump(
        with_chapters(contents, [*(page(chapter, house) for chapter in executed), *_pages(data)])
    ).encode()
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def page(chapter: Executed, house: House) -> str:
    """A chapter's place in the book, which is its place under `notebooks/`."""
    path = chapter.chapter.path
    return path.relative_to(house.notebooks).as_posix() if path.is_relative_to(house.notebooks) else path.name


def with_chapters(contents: dict[str, Any], pages: list[str]) -> dict[str, Any]:
    """The table of contents with each `glob` entry replaced by the pages it matches, in their order.

    Sphinx would sort 2.1.10 before 2.1.2, and warn of a part without a chapter; such a part is left out.
    """
    parts = []
    for part in contents["parts"]:
        entries = [entry for item in part["chapters"] for entry in _entries(item, pages)]
        if entries:
            parts.append({**part, "chapters": entries})
    return {**contents, "parts": parts}


def _entries(item: dict[str, str], pages: list[str]) -> list[dict[str, str]]:
    if "glob" not in item:
        return [item]
    return [{"file": name} for name in pages if fnmatch(name, item["glob"])]


def _pages(names: Iterable[str]) -> list[str]:
    """The Markdown among generated files, in the order in which they were made."""
    return [name for name in names if name.endswith(".md")]


def _for_pages(notebook: dict[str, Any]) -> bytes:
    """The executed notebook as a page wants it: without widgets, whose HTML twins stay.

    A widget without a twin would leave a hole in the page, and is refused.
    """
    notebook["metadata"].pop("widgets", None)
    for number, cell in enumerate(notebook["cells"]):
        for out in cell.get("outputs", ()):
            data = out.get("data", {})
            if data.pop(WIDGET, None) and "text/html" not in data:
                raise BookError(
                    f"cell {number}: a widget without an HTML twin; show it with medseg_lab.show.explorer"
                )
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = PurePosixPath(path.relative_to(folder).as_posix()).parts
        if path.is_file() and not {"_build", ".ipynb_checkpoints", "__pycache__"} & set(inside):
            yield path


def _environment() -> dict[str, str]:
    """Colours off, so that the warnings can be read from the output."""
    return {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
