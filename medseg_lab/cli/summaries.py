"""A comparison on the terminal."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medseg_lab.evaluation.summary import Summary

if TYPE_CHECKING:
    from rich.table import Table

HEAD, NAME, LEAST, GAP = 16, 20, 12, 2
"""Characters: of a heading's line, of a name that stands on one line, that a name gets in any case, and
between columns."""
UNDER = {"Holm p", "first", "cases", "memory", "para-\nmeters"}
"""Columns that stand below the one before them where there is no room beside it."""


def print_summary(one: Summary) -> None:
    """Heading, table, what the numbers stand for, remarks; as wide as the terminal allows."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(one.title, style="bold"))
    console.print(_table(one.words, console.width))
    console.print()
    for said in (one.explanation, *one.remarks):
        console.print(Text(said, style="dim"))
    console.print()


def _table(words: Mapping[str, Sequence[str]], width: int) -> "Table":
    """A line a method where there is room for its name; else its numbers stand below each other."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    flat = {head: [cell.replace("\n", " ") for cell in cells] for head, cells in words.items()}
    longest = max(len(name) for name in words["method"])
    fits = width - _taken(flat) >= min(longest, NAME)
    shown = flat if fits else _stacked(words)
    room = max(min(width - _taken(shown), longest), LEAST)
    table = Table(
        box=box.SIMPLE_HEAD, leading=0 if fits else 1, pad_edge=False, show_edge=False, collapse_padding=True
    )
    for number, head in enumerate(shown):
        table.add_column(Text(_wrapped(head)), justify="right" if number else "left", no_wrap=number > 0)
    for name, *cells in zip(*shown.values(), strict=True):
        table.add_row(Text(broken(name, room)), *map(Text, cells))
    return table


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
    """Columns that belong together as one, its cells below each other."""
    groups: list[list[str]] = []
    for head in words:
        if head in UNDER:
            groups[-1].append(head)
        else:
            groups.append([head])
    return {
        "\n".join(head.replace("-\n", "") for head in group): [
            "\n".join(cell for cell in cells if cell)
            for cells in zip(*(words[head] for head in group), strict=True)
        ]
        for group in groups
    }
