"""Names of methods, made to fit beside a figure."""

import textwrap
from collections.abc import Sequence

LINE = 0.17
"""Inches that a line of 9 points takes."""

JOINT = "\u200b"
"""Zero-width space: where a name without spaces may be broken."""


def fitted(names: Sequence[str], width: int = 26, lines: int = 2) -> list[str]:
    """Names broken into at most `lines` lines of `width` letters, the middle left out where it must be.

    A recipe as text can be long, and two of them may differ at their end only, so the ends are kept.
    Different names that would look the same are given in full, in as many lines as that takes.
    """
    short = {name: _short(name, width, lines) for name in names}
    looks = list(short.values())
    return [_broken(name, width) if looks.count(short[name]) > 1 else short[name] for name in names]


def row_height(names: Sequence[str], least: float) -> float:
    """Inches between two rows that leave room for such names, as `fitted` gives them."""
    return max([least, *(LINE * (1 + name.count("\n")) + 0.05 for name in names)])


def _short(name: str, width: int, lines: int) -> str:
    """The longest that fits, by taking letters out of the middle."""
    most = len(name)
    found = _broken(name, width)
    while found.count("\n") >= lines:
        most -= 1
        tail = (most - 1) // 2
        found = _broken(f"{name[: most - 1 - tail].rstrip()}…{name[-tail:].lstrip()}", width)
    return found


def _broken(name: str, width: int) -> str:
    """Broken at spaces, after brackets, commas, dots and equals signs, and within overlong words."""
    for mark in "(,.=":
        name = name.replace(mark, f"{mark}{JOINT} ")
    return "\n".join(
        line.replace(f"{JOINT} ", "").replace(JOINT, "")
        for line in textwrap.wrap(name, width, break_on_hyphens=False)
    )
