"""Markdown of the book's generated pages."""

import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line; bars inside cells are escaped."""
    body = [header, ["---"] * len(header), *rows]
    return [
        "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in row) + " |"
        for row in body
    ]


def escape(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>$#])", r"\\\1", text)


def prose(text: str) -> str:
    """Plain text as Markdown, with its addresses as links and its commands as code."""
    parts = re.split(r"(https?://[^\s,;]*[^\s,;.]|medseg data [^\n]*)", text.strip())
    marked = [escape(part) for part in parts]
    marked[1::2] = [f"<{part}>" if part.startswith("http") else f"`{part}`" for part in parts[1::2]]
    return "".join(marked)
