"""Where the project's chapters, book and build output lie."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECTION = re.compile(r"^(\d+(?:\.\d+)*)_")


@dataclass(frozen=True)
class Chapter:
    """One notebook of the course; its file name begins with the survey's section number.

    Args:
        section: "2.1.1".
        path: the notebook, outputs stripped.
    """

    section: str
    path: Path

    @property
    def notebook(self) -> dict[str, Any]:
        """The notebook as plain JSON (version 4)."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def title(self) -> str:
        """The first heading of the notebook without its number, or the words of its file name."""
        for cell in self.notebook["cells"]:
            heading = re.search(r"^# +(.+)$", source(cell), re.MULTILINE)
            if cell["cell_type"] == "markdown" and heading:
                return heading.group(1).strip().removeprefix(self.section).strip()
        return self.path.stem.partition("_")[2].replace("_", " ")


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
        """All chapters, in the order of the survey."""
        found = []
        for path in self.notebooks.glob("**/*.ipynb"):
            match = SECTION.match(path.name)
            if match and ".ipynb_checkpoints" not in path.parts:
                found.append(Chapter(match.group(1), path))
        return tuple(sorted(found, key=lambda chapter: (_numbers(chapter.section), chapter.path.name)))

    def chapter(self, section: str | Path) -> Chapter:
        """The chapter of a section number, or of a notebook's path.

        Raises:
            ValueError: naming the known sections.
        """
        path = Path(section)
        if path.suffix == ".ipynb" and path.is_file():
            match = SECTION.match(path.name)
            return Chapter(match.group(1) if match else path.stem, path.resolve())
        chapters = self.chapters()
        matches = [chapter for chapter in chapters if chapter.section == str(section)]
        if len(matches) != 1:
            known = ", ".join(chapter.section for chapter in chapters) or "none"
            seen = f"{str(section)!r} ({len(matches)} match)"
            raise ValueError(f"chapter: got {seen}, wanted one of {known}, or a notebook's path")
        return matches[0]


def find_house() -> House:
    """The checkout at hand: `$MEDSEG_HOME`, else the one the package was installed from.

    Raises:
        ValueError: when neither holds `notebooks/` (the package alone has no chapters).
    """
    root = Path(os.environ.get("MEDSEG_HOME") or Path(__file__).parents[2]).resolve()
    if not (root / "notebooks").is_dir():
        raise ValueError(
            f"chapters: none in {root}, wanted a checkout with notebooks/ (set MEDSEG_HOME to it)"
        )
    return House(root)


def source(cell: dict[str, Any]) -> str:
    """A cell's text; notebooks may hold it as one string or as lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def tags(cell: dict[str, Any]) -> set[str]:
    """A cell's tags."""
    return set(cell.get("metadata", {}).get("tags", ()))


def _numbers(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))
