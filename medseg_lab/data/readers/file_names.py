"""The names of files in the nnU-Net / MSD layout: a case, perhaps a channel's number, an ending."""

import os
import re
from pathlib import Path, PureWindowsPath

from medseg_lab.data.readers.checks import by_name, visible
from medseg_lab.data.readers.decode.volume import ending_of

CHANNEL = re.compile(r"_\d{4}$")
"""How nnU-Net ends the name of a file that has one channel."""

ANNOTATION = re.compile(r"[-_](seg|segmentation|label|mask|gt)$", re.IGNORECASE)
"""How other layouts end the name of a label."""


def stem_of(name: str, ending: str | None = None) -> str:
    """A file's name without the ending, this one or any known one."""
    known = ending if ending and name.lower().endswith(ending) else ending_of(name)
    return name[: -len(known)] if known else name


def by_stem(folder: Path, ending: str) -> dict[str, Path]:
    """The files of this ending, in any case of letters, by the name before it."""
    found = (path for path in visible(folder, "*") if path.name.lower().endswith(ending))
    return by_name((path.name[: -len(ending)], path) for path in found)


def with_slashes(text: str) -> str:
    r"""A path as any system writes it, `a\b` or `a/b`, with slashes."""
    return text.replace("\\", "/")


def is_absolute(text: str) -> bool:
    """Whether a path with slashes begins at the root, or at a drive of Windows."""
    return text.startswith("/") or bool(PureWindowsPath(text).drive)


def is_file(path: Path | str) -> bool:
    """Whether this is a file; a name that no system allows is none."""
    return os.path.isfile(path)  # noqa: PTH113  (`Path.is_file` raises for it)
