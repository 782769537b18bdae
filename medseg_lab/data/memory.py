"""How much memory this process may use, and how it returns what it no longer needs."""

import ctypes
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath

CONTROL_GROUPS = {
    "": ("/sys/fs/cgroup", "memory.max"),
    "memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
}
"""Where a control group's limit is, by what its line in `MEMBERSHIP` names: second and first generation."""

MEMBERSHIP = Path("/proc/self/cgroup")
UNKNOWN = 8 * 2**30
"""Assumed where the system does not tell (Windows)."""


def physical_memory() -> int:
    """Bytes of the machine's memory, or of a control group's limit (a container's, say) if that is lower."""
    limits = [_installed()]
    for path in _limits():
        try:
            limits.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such group here, or its limit is "max"
            continue
    return min(limits)


def give_back() -> None:
    """Return freed memory to the system, where the C library (glibc) would keep it for later.

    It keeps free blocks between used ones; over hundreds of large cases they add up.
    """
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library, or Windows
        return None
    return trim


def _installed() -> int:
    if not hasattr(os, "sysconf"):
        return UNKNOWN
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limits() -> Iterator[Path]:
    """The files that limit the groups this process is in, from the innermost out."""
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for _, controllers, group in (line.split(":", 2) for line in lines):
        if controllers in CONTROL_GROUPS:
            base, name = CONTROL_GROUPS[controllers]
            inside = PurePosixPath(group).relative_to("/")
            yield from (Path(base) / within / name for within in (inside, *inside.parents))
