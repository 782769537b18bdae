"""Many files or cases, read a few at a time; what cannot be read does not stop the others."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")

WORKERS = 4
"""So many are read at a time: a case takes several times its size."""


def read_each(names: Iterable[K], read: Callable[[K], T]) -> tuple[dict[K, T], dict[K, str]]:
    """What `read` gives of each, and of those that it refuses why: the texts of its `ValueError`."""

    reasons: dict[K, str] = {}

    def one(name: K) -> T | None:
        try:
            return read(name)
        except ValueError as error:
            reasons[name] = str(error)
            return None

    names = list(names)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(names, pool.map(one, names), strict=True))
    return (
        {name: what for name, what in found.items() if what is not None},
        {name: reasons[name] for name in names if name in reasons},
    )


def readable(names: Iterable[K], read: Callable[[K], T]) -> dict[K, T]:
    """Those of `read_each` that can be read.

    Raises:
        ValueError: if none can: the first reason.
    """
    found, reasons = read_each(names, read)
    if reasons and not found:
        raise ValueError(next(iter(reasons.values())))
    return found
