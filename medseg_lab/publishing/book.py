"""The book: executed chapters, prose and generated pages, built into HTML that needs no network.

The sources are assembled in `build/book-source/` and built by jupyter-book with execution off. Every page is
rendered again: Sphinx keeps pages whose own text is unchanged, and with them the old titles of others.
"""

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.publishing.claims_page import claims_page
from medseg_lab.publishing.data_pages import data_pages
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.house import House
from medseg_lab.publishing.pages import status, survey_map
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
    plain = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=plain)
    if done.returncode:
        said = done.stdout + done.stderr
        faults = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
        raise BookError("the book did not build:\n" + ("\n".join(faults) or said))
    return output / "_build" / "html" / "index.html"


def assemble(executed: list[Executed], house: House, folder: Path) -> None:
    """Write the book's sources to `folder`, which is replaced."""
    wanted: dict[str, bytes] = {}
    for path in sorted(house.book.rglob("*")):
        inside = path.relative_to(house.book)
        if path.is_file() and not {"_build", ".ipynb_checkpoints", "__pycache__"} & set(inside.parts):
            wanted[inside.as_posix()] = path.read_bytes()
    for chapter in executed:
        wanted[page(chapter, house)] = _for_pages(json.loads(chapter.notebook.read_text(encoding="utf-8")))
    ledger = read_ledger()
    wanted["survey_map.md"] = survey_map(executed).encode()
    wanted["_claims.md"] = claims_page(executed, ledger).encode()
    wanted["status.md"] = status(executed).encode()
    data = data_pages(house.book / "_static" / "data")
    wanted |= data | standings_pages(ledger)
    pages = [
        *(page(chapter, house) for chapter in executed),
        *(name for name in data if fnmatch(name, "data/[!_]*.md")),
    ]
    contents = with_chapters(yaml.safe_load(wanted["_toc.yml"]), pages)
    wanted["_toc.yml"] = yaml.safe_dump(contents).encode()
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
        entries: list[dict[str, str]] = []
        for entry in part["chapters"]:
            matched = [{"file": name} for name in pages if fnmatch(name, entry.get("glob", ""))]
            entries += matched if "glob" in entry else [entry]
        if entries:
            parts.append({**part, "chapters": entries})
    return {**contents, "parts": parts}


def _for_pages(notebook: dict[str, Any]) -> bytes:
    """The executed notebook without its widgets, whose HTML twins stay; a widget without one is an error."""
    notebook["metadata"].pop("widgets", None)
    for number, cell in enumerate(notebook["cells"]):
        for out in cell.get("outputs", ()):
            data = out.get("data", {})
            if data.pop(WIDGET, None) and "text/html" not in data:
                raise BookError(
                    f"cell {number}: a widget without HTML; show it with medseg_lab.show.explorer"
                )
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()
