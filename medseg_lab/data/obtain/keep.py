"""Which of a data set's files are kept: the patterns of a card."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

TWINS = "._"
"""What macOS puts before the name of a file's second half, which is no data."""


def matches(parts: Sequence[str], pattern: str) -> bool:
    """Whether a path, in parts, has the pattern from its first part to its last."""
    wanted = pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def ends_like(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether the last parts of a path have one of the patterns, wherever the data set's folder lies."""
    return any(matches(parts[-1 - pattern.count("/") :], pattern) for pattern in patterns)


def is_twin(parts: Sequence[str]) -> bool:
    """Whether a path is a macOS twin: in a folder `__MACOSX`, or called `._something`."""
    return "__MACOSX" in parts or parts[-1].startswith(TWINS)


def kept(folder: Path, patterns: Sequence[str]) -> Iterator[str]:
    """The files of `folder` that have one of the patterns: relative paths with slashes, each once, sorted."""
    found = {p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}
    relative = [p.relative_to(folder) for p in found]
    yield from sorted(p.as_posix() for p in relative if not is_twin(p.parts))
