"""Whom an error is about."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Errors of wrong input (`ValueError`) inside begin with `subject`, such as "case a" or a data set."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from None
