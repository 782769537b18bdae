"""Where the project's chapters, book and build output lie."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medseg_lab.data.text import read_text
from medseg_lab.data.wording import one_line

SECTION = re.compile(r"^(\d+(?:\.\d+)*)_")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
PAGES = "comparison"
"""The folder of the notebooks that follow no section of the survey; each is called by its file's name."""


class _Metadata(BaseModel):
    tags: list[str] = []


class _Cell(BaseModel):
    cell_type: str
    source: str | list[str]
    metadata: _Metadata = _Metadata()


class _Notebook(BaseModel):
    cells: list[_Cell]


@dataclass(frozen=True)
class Chapter:
    """One notebook of the course: a chapter on a section of the survey, or a page that follows none.

    Args:
        section: "2.1.1", as its file name begins; of a page, its file name without the ending.
        path: the notebook, outputs stripped.
    """

    section: str
    path: Path

    @property
    def notebook(self) -> dict[str, Any]:
        """The notebook as plain JSON (version 4).

        Raises:
            ValueError: naming the file, if it is no notebook of that version.
        """
        text = read_text(self.path)
        try:
            found: dict[str, Any] = json.loads(text)
            _Notebook.model_validate(found)
        except (RecursionError, ValueError) as error:
            said = one_line(error)
            raise ValueError(f"{self.path}: expected a notebook (version 4), got the error: {said}") from None
        return found

    @property
    def is_numbered(self) -> bool:
        """Whether it is a chapter on a section."""
        return SECTION.match(self.path.name) is not None

    @property
    def heading(self) -> str:
        """Number and title, "2.1.1 Encoder and decoder"; a page has no number."""
        return f"{self.section} {self.title}" if self.is_numbered else self.title

    @property
    def title(self) -> str:
        """The first heading of the notebook without its number, or the words of its file name."""
        for cell in self.notebook["cells"]:
            heading = re.search(r"^# +(.+)$", source(cell), re.MULTILINE)
            if cell["cell_type"] == "markdown" and heading:
                return heading.group(1).strip().removeprefix(self.section).strip()
        return SECTION.sub("", self.path.stem).replace("_", " ")


@dataclass(frozen=True)
class House:
    """The folders of one checkout.

    Args:
        root: the folder that holds `notebooks/`, `book/` and `constraints.txt`.
    """

    root: Path

    @property
    def notebooks(self) -> Path:
        """Sources of the chapters, in folders named as the survey's parts."""
        return self.root / "notebooks"

    @property
    def book(self) -> Path:
        """Prose and configuration of the book."""
        return self.root / "book"

    @property
    def executed(self) -> Path:
        """Executed chapters, `<section>/<key>/`; can be deleted at any time."""
        return self.root / "build" / "chapters"

    @property
    def constraints(self) -> Path:
        """The lock file."""
        return self.root / "constraints.txt"

    def chapters(self) -> tuple[Chapter, ...]:
        """All chapters in the order of the survey, then the pages of `PAGES` by name."""
        paths = [path for path in self.notebooks.glob("**/*.ipynb") if ".ipynb_checkpoints" not in path.parts]
        numbered = [_chapter(path) for path in paths if SECTION.match(path.name)]
        pages = [_chapter(path) for path in paths if path.parent.name == PAGES and NAME.match(path.stem)]
        return (
            *sorted(numbered, key=lambda chapter: (_numbers(chapter.section), chapter.path.name)),
            *sorted(pages, key=lambda page: page.path.name),
        )

    def chapter(self, section: str | Path) -> Chapter:
        """The chapter of a section number, the page of this name, or the notebook at this path.

        Raises:
            ValueError: naming the known sections and pages.
        """
        path = Path(section)
        if path.suffix == ".ipynb" and path.is_file():
            return _chapter(path.resolve())
        chapters = self.chapters()
        matches = [chapter for chapter in chapters if chapter.section == str(section)]
        if len(matches) != 1:
            known = ", ".join(chapter.section for chapter in chapters) or "none"
            several = f", which {len(matches)} notebooks have" if matches else ""
            raise ValueError(
                f"chapter: expected one of {known}, or a notebook's path, got {str(section)!r}{several}"
            )
        return matches[0]


def find_house() -> House:
    """The checkout at hand: `$MEDSEG_HOME`, else the one the package was installed from.

    Raises:
        ValueError: when neither holds `notebooks/` (the package alone has no chapters).
    """
    root = Path(os.environ.get("MEDSEG_HOME") or Path(__file__).parents[2]).resolve()
    if not (root / "notebooks").is_dir():
        raise ValueError(f"chapters: {root} has no notebooks/; set MEDSEG_HOME to a checkout")
    return House(root)


def source(cell: dict[str, Any]) -> str:
    """A cell's text; notebooks may hold it as one string or as lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def tags(cell: dict[str, Any]) -> set[str]:
    """A cell's tags."""
    return set(cell.get("metadata", {}).get("tags", ()))


def _chapter(path: Path) -> Chapter:
    match = SECTION.match(path.name)
    return Chapter(match.group(1) if match else path.stem, path)


def _numbers(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))
