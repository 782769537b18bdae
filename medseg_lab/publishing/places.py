"""Links inside the book, to chapters and to single cells, and what is put below a chapter's heading."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from medseg_lab.publishing.house import Chapter, source


def document(chapter: Chapter) -> str:
    """The page of a chapter, as Sphinx calls it."""
    path = chapter.path
    return f"/{path.stem}" if path.parent.name == "notebooks" else f"/{path.parent.name}/{path.stem}"


def to_chapter(section: str, chapters: Sequence[Chapter], text: str = "") -> str:
    """A link to a chapter, by its heading or with another text; plain text where it is not in the book."""
    for chapter in chapters:
        if chapter.section == section:
            return f"{{doc}}`{text or chapter.heading} <{document(chapter)}>`"
    return text or section


def to_cell(section: str, cell: str, chapters: Sequence[Chapter], text: str) -> str:
    """A link that lands at a cell of a chapter; plain text where there is no such cell in the book."""
    for chapter in chapters:
        if chapter.section == section and cell in cells(chapter):
            return f"{{ref}}`{text} <{target(section, cell)}>`"
    return text


def cells(chapter: Chapter) -> list[str]:
    """The ids of a chapter's cells, in order."""
    return [cell.get("id", "") for cell in chapter.notebook["cells"]]


def target(section: str, cell: str) -> str:
    """What a cell is called as the target of links: "cell-2-1-1-skips"."""
    return re.sub(r"[^a-z0-9]+", "-", f"cell-{section}-{cell}".lower())


def with_targets(notebook: dict[str, Any], section: str, wanted: Iterable[str]) -> None:
    """Put a target in front of each of these cells, as a cell of its own."""
    asked = set(wanted)
    found: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        if cell.get("id") in asked:
            name = target(section, cell["id"])
            found.append({"cell_type": "markdown", "id": name, "metadata": {}, "source": f"({name})="})
        found.append(cell)
    notebook["cells"] = found


def below_heading(notebook: dict[str, Any], text: str) -> None:
    """Put a paragraph below the heading of a notebook: that of its first cell of text."""
    first = next((cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"), {"source": ""})
    heading = re.match(r"\s*# .+\n?", source(first))
    cut = heading.end() if heading else 0
    first["source"] = f"{source(first)[:cut]}\n{text}\n\n{source(first)[cut:]}"
