"""Markdown of the book's generated pages."""

import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    body = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in row) + " |"
        for row in body
    )


def bullets(lines: Iterable[str]) -> str:
    """A list, one line an entry."""
    return "\n".join(f"- {line}" for line in lines)


def figure(file: str, alt: str, width: int, caption: str) -> str:
    """A picture with a caption, and a description for readers who cannot see it; width in pixels."""
    return f"```{{figure}} {file}\n:alt: {' '.join(alt.split())}\n:width: {width}px\n\n{caption}\n```"


def escape(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>$#])", r"\\\1", text)


def prose(text: str) -> str:
    """Plain text as Markdown, with its addresses as links and its commands as code."""
    parts = re.split(r"(https?://[^\s,;]*[^\s,;.]|medseg data [^\n]*)", text.strip())
    marked = [escape(part) for part in parts]
    marked[1::2] = [f"<{part}>" if part.startswith("http") else f"`{part}`" for part in parts[1::2]]
    return "".join(marked)
