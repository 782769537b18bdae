"""Tables on the terminal."""

import re
from collections.abc import Iterable, Mapping, Sequence

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

HEAD, NAME, LEAST, GAP = 16, 20, 12, 2
"""Characters: of a heading's line, of a name that fits on one line, of a name at least, between columns."""
UNDER = {"Holm p", "first", "cases", "memory", "para-\nmeters"}
"""Columns that are printed below the one before them where there is no room beside it."""


def table(title: str, header: Sequence[str], fixed: Sequence[str] = ()) -> Table:
    """An empty table; columns in `fixed` are never wrapped."""
    made = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    made.show_header = any(header)
    for name in header:
        made.add_column(name, overflow="fold", no_wrap=name in fixed)
    return made


def show(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str | Text]], fixed: Sequence[str] = ()
) -> None:
    """A table, or one line where there are no rows; brackets in cells are printed as they are."""
    made = table(title, header, fixed)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    if made.row_count:
        Console().print(made)
    else:
        typer.echo(f"{title}: none")


def summary_table(words: Mapping[str, Sequence[str]], width: int) -> Table:
    """A summary: a line a method where there is room for its name; else its numbers are stacked.

    Args:
        words: cells by heading, the names of the methods under "method".
        width: of the terminal.
    """
    flat = {head: [cell.replace("\n", " ") for cell in cells] for head, cells in words.items()}
    longest = max(len(name) for name in words["method"])
    fits = width - _taken(flat) >= min(longest, NAME)
    shown = flat if fits else _stacked(words)
    room = max(min(width - _taken(shown), longest), LEAST)
    made = Table(
        box=box.SIMPLE_HEAD, leading=0 if fits else 1, pad_edge=False, show_edge=False, collapse_padding=True
    )
    for number, head in enumerate(shown):
        made.add_column(Text(_wrapped(head)), justify="right" if number else "left", no_wrap=number > 0)
    for name, *cells in zip(*shown.values(), strict=True):
        made.add_row(Text(broken(name, room)), *map(Text, cells))
    return made


def broken(name: str, width: int) -> str:
    """A name in lines of at most this width: a recipe is broken after its signs, if possible."""
    lines = [""]
    for piece in re.split(r"(?<=[(,=. ])(?=[^\s),])", name):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines)


def _taken(words: Mapping[str, Sequence[str]]) -> int:
    """The width of all columns but the first, and of the space between columns."""
    columns = [[_wrapped(head), *cells] for head, cells in list(words.items())[1:]]
    return sum(GAP + max(len(line) for cell in column for line in cell.split("\n")) for column in columns)


def _wrapped(head: str) -> str:
    """A heading, in lines that a column can hold: a baseline's name may be a recipe."""
    return "\n".join(broken(line, HEAD) for line in head.split("\n"))


def _stacked(words: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Columns that belong together as one, their cells below each other."""
    groups: list[list[str]] = []
    for head in words:
        if head in UNDER:
            groups[-1].append(head)
        else:
            groups.append([head])
    return {
        "\n".join(head.replace("-\n", "") for head in group): [
            "\n".join(filter(None, cells)) for cells in zip(*(words[head] for head in group), strict=True)
        ]
        for group in groups
    }
