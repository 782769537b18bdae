"""A folder in place of an archive: what a person unpacked, or keeps."""

import os
from collections.abc import Iterator
from pathlib import Path

from medseg_lab.data.obtain.members import Sink

CHUNK = 1 << 20


def unpack_folder(folder: Path, sink: Sink) -> None:
    """Hand every file to `sink`, which copies it.

    A link to a file inside the folder is that file; one that leads out, or to a folder, is refused.
    """
    inside = folder.resolve()
    for here, names, files in os.walk(folder, onerror=_unreadable):
        names.sort()
        for name in [*(n for n in names if (Path(here) / n).is_symlink()), *sorted(files)]:
            file = Path(here) / name
            relative = file.relative_to(folder).as_posix()
            path = sink.admit(relative, _kind(file, inside))
            if path is not None:
                sink.write(path, _chunks(file))


def _kind(file: Path, inside: Path) -> str:
    if file.is_symlink() and not file.resolve().is_relative_to(inside):
        return f"a link to {str(file.resolve())!r}"
    if file.is_dir():
        return "a link to a folder"
    return "file" if file.is_file() else "a device or the like"


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        _unreadable(error)


def _unreadable(error: OSError) -> None:
    raise RuntimeError(f"{error.filename}: got {error.strerror!r}, wanted to read it") from error
