"""Whom an error is about."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

NAMED = 5
"""So many cases are named; the rest are counted."""


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Errors of wrong input (`ValueError`) inside begin with `subject`, such as "case a" or a data set."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from None


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
