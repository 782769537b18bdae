"""The book: chapters, prose and generated pages, built into HTML that needs no network.

The sources are assembled in `build/book-source/` and built by jupyter-book with execution off. Every page is
rendered again: Sphinx keeps pages whose own text is unchanged, and with them the old titles of others. A book
is built aside and then takes the place of the old one, so that there is a whole one to read at any time.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from threading import Event
from typing import Any

import yaml
from filelock import FileLock

from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.publishing.claims_page import claims_pages
from medseg_lab.publishing.data_pages import data_pages
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.figures_page import figures_page
from medseg_lab.publishing.house import Chapter, House
from medseg_lab.publishing.inputs import ROOT, data_identity
from medseg_lab.publishing.pages import status, survey_map
from medseg_lab.publishing.places import below_heading, with_targets
from medseg_lab.publishing.reading import needs_and_next, reading_paths
from medseg_lab.publishing.standings_page import standings_pages
from medseg_lab.publishing.waiting import Page, growing, state, without_results
from medseg_lab.record.store import record_folder
from medseg_lab.record.verdicts import judged_here, judged_on_record
from medseg_lab.survey.counterparts import places
from medseg_lab.training.provenance import digest, file_hash
from medseg_lab.training.runs import run_store

WIDGET = "application/vnd.jupyter.widget-view+json"
IGNORED = {"_build", ".ipynb_checkpoints", "__pycache__"}
MADE_OF = ".made-of"
"""A file in the built book: the digest of all that it was made of."""
WITH_PARENT = """\
import os, threading, time
def watch(parent):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
threading.Thread(target=watch, args=[os.getppid()], daemon=True).start()
"""
"""A build ends with the process that started it, even if that is killed: the next has the same folders."""
BUILD = """\
import os, sys
getattr(os, "nice", int)(int(sys.argv.pop(1)))
from jupyter_book.cli.main import main
main()
"""


class BookError(RuntimeError):
    """The book did not build; the message holds the warnings and errors."""


class Stopped(Exception):
    """A build was told to stop."""


@dataclass(frozen=True)
class Book:
    """The book of a checkout.

    Args:
        house: the checkout.
        output: folder for `_build/html`; by default `build/book`.
    """

    house: House
    output: Path | None = None
    _drawn: dict[str, dict[str, bytes]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def html(self) -> Path:
        """The folder of the built pages."""
        return (self.output or self.house.root / "build" / "book").resolve() / "_build" / "html"

    @property
    def index(self) -> Path:
        """The first page."""
        return self.html / "index.html"

    @property
    def data(self) -> dict[str, bytes]:
        """The data pages, whose pictures take seconds: drawn once, as long as the data are the same."""
        at_hand = digest(data_identity("auto"))
        if at_hand not in self._drawn:
            self._drawn[at_hand] = data_pages(self.house.book / "_static" / "data")
        return self._drawn[at_hand]

    def is_current(self, pages: list[Page]) -> bool:
        """Whether the book that is there was made of the same, and without a warning."""
        return self._is_made_of(made_of(pages, self.house))

    def _is_made_of(self, made: str) -> bool:
        stamp = self.html / MADE_OF
        return self.index.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == made

    def build(self, pages: list[Page], stop: Event | None = None, nice: int = 0) -> Path:
        """Assemble and build the book, unless it is there already; a warning is an error.

        Args:
            pages: the chapters, in the order of the survey, then the pages that follow none.
            stop: ends the build when it is set.
            nice: the priority of the build; 0 is the usual one, 19 the lowest.

        Returns:
            The path of the built `index.html`.

        Raises:
            BookError: with the warnings and errors. After mere warnings, the new book is in place.
            Stopped: if `stop` was set.
        """
        self.html.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.html.parent / ".lock"):
            repair(self.html)
            made = made_of(pages, self.house)
            if self._is_made_of(made):
                return self.index
            sources, aside = self.house.root / "build" / "book-source", self.html.with_name("next")
            assemble(pages, self.house, sources, self.data)
            shutil.rmtree(aside, ignore_errors=True)
            try:
                faults = _run_sphinx(sources, aside, stop or Event(), nice)
                new = aside / "_build" / "html"
                if (new / "searchindex.js").is_file():  # Sphinx came to its end
                    if not faults:
                        (new / MADE_OF).write_text(made, encoding="utf-8")
                    replace(self.html, new)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        if faults:
            raise BookError(f"the book did not build:\n{faults}")
        return self.index


def _run_sphinx(sources: Path, output: Path, stop: Event, nice: int) -> str:
    """Build the sources into `output/_build/html`; the warnings and errors, as text."""
    command = [sys.executable, "-c", WITH_PARENT + BUILD, str(nice), "build", str(sources)]
    options = ["--path-output", str(output), "-W", "-n", "--keep-going", "-q"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
    )
    try:
        while True:
            if stop.is_set():
                raise Stopped
            try:
                said, _ = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == 0:
        return ""
    return "\n".join(line for line in said.splitlines() if "WARNING" in line or "ERROR" in line) or said


def replace(place: Path, new: Path) -> None:
    """Put the folder `new` in `place`, which is whole at any moment but that between two renames."""
    old = place.with_name("previous")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def repair(place: Path) -> None:
    """Bring back the old folder where a process was killed between the two renames."""
    old = place.with_name("previous")
    if old.exists() and not place.exists():
        old.rename(place)


def made_of(pages: list[Page], house: House) -> str:
    """The digest of all that the book's sources are made of, which is found faster than they are assembled.

    Data count as they do for a chapter on `auto`; runs never change, so that their names are enough.
    """
    files = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": file_hash(path)
        for folder in (house.book, ROOT)
        for path in folder.rglob("*")
        if path.is_file() and not IGNORED & set(path.parts)
    }
    return digest(
        {
            "pages": [state(page) for page in pages],
            "files": files,
            "runs": sorted(path.name for path in run_store().root.glob("[!.]*")),
            "record": sorted(path.name for path in record_folder().glob("[!.]*")),
            "data": data_identity("auto"),
            "lock": file_hash(house.constraints),
            "python": sys.version,
        }
    )


def assemble(pages: list[Page], house: House, folder: Path, data: dict[str, bytes]) -> None:
    """Write the book's sources to `folder`, which is replaced.

    Args:
        pages: the chapters, executed or not.
        house: the checkout.
        folder: where to.
        data: the data pages, by file name.
    """
    wanted: dict[str, bytes] = {}
    for path in sorted(house.book.rglob("*")):
        inside = path.relative_to(house.book)
        if path.is_file() and not IGNORED & set(inside.parts):
            wanted[inside.as_posix()] = path.read_bytes()
    ledger, chapters = read_ledger(), [item.chapter for item in pages]
    for item in pages:
        if isinstance(item, Executed):
            notebook = json.loads(item.notebook.read_text(encoding="utf-8"))
        else:
            notebook = without_results(item)
        section = item.chapter.section
        below_heading(notebook, needs_and_next(item.chapter, chapters))
        with_targets(notebook, section, [one.cell for one in places() if one.chapter == section])
        wanted[page(item.chapter, house)] = _for_pages(notebook)
    wanted["survey_map.md"] = survey_map(chapters).encode()
    wanted["reading_paths.md"] = reading_paths(chapters).encode()
    judged = judged_here(ledger), judged_on_record()
    wanted["figures_and_equations.md"] = figures_page(chapters, ledger, *judged).encode()
    wanted |= {name: text.encode() for name, text in claims_pages(chapters, *judged).items()}
    wanted["_growing.md"] = growing(pages).encode()
    wanted["status.md"] = status(pages).encode()
    wanted |= data | standings_pages(ledger)
    listed = [
        *(page(chapter, house) for chapter in chapters),
        *(name for name in data if fnmatch(name, "data/[!_]*.md")),
    ]
    contents = with_chapters(yaml.safe_load(wanted["_toc.yml"]), listed)
    wanted["_toc.yml"] = yaml.safe_dump(contents).encode()
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def page(chapter: Chapter, house: House) -> str:
    """A chapter's place in the book, which is its place under `notebooks/`."""
    path = chapter.path
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
    """The notebook without its widgets, whose HTML twins stay; a widget without one is an error."""
    notebook["metadata"].pop("widgets", None)
    for number, cell in enumerate(notebook["cells"]):
        for out in cell.get("outputs", ()):
            data = out.get("data", {})
            if data.pop(WIDGET, None) and "text/html" not in data:
                raise BookError(
                    f"cell {number}: a widget without HTML; show it with medseg_lab.show.explorer"
                )
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()
