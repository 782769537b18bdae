"""How a long step tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""`progress(step, done, total)`, both in bytes; `total` is None where nobody knows it.

`step` is a short text, `fetch CHASEDB1.zip`. Called often, from one thread; `done` falls back to 0 where a
step starts anew.
"""


def quiet(step: str, done: int, total: int | None) -> None:
    """Tell nobody."""
