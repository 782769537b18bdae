"""Numbers, names and errors as messages have them, everywhere alike."""

from collections.abc import Iterable

SAID = 200
"""Characters of an error that are shown."""


def some(names: Iterable[str], most: int = 5) -> str:
    """`a, b, c, d, e and 3 more`."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(number: int, noun: str) -> str:
    """ "1 case", "3 cases"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def by(values: Iterable[float]) -> str:
    """`1 x 1 x 2.5`."""
    return " x ".join(f"{value:.4g}" for value in values)


def one_line(error: object) -> str:
    """What an exception says, in one line that is not long."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= SAID else f"{said[:SAID]}..."
