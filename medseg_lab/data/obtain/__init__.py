"""Getting public data sets: terms, download, unpacking, layout, verification."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""`progress(step, done, total)`, both in bytes; `total` is None where it is not known.

`step` is a short text, `download CHASEDB1.zip`. Called often, from one thread; `done` falls back to 0 where a
step starts anew.
"""


def quiet(step: str, done: int, total: int | None) -> None:
    """Report nothing."""
