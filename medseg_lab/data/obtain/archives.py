"""The members of an archive or a folder, one by one, whatever its form; none is trusted here."""

import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

CHUNK = 1 << 18
HEADER = 1 << 24
"""Bytes that are read in one piece: `tarfile` takes a header of any claimed size into memory."""
BLOCK = tarfile.BLOCKSIZE
GZIP = b"\x1f\x8b"
ENCRYPTED = 0x1


@dataclass(frozen=True)
class Member:
    """One entry.

    Attributes:
        name: as the archive has it; a path with slashes, if it is a good one.
        kind: `file`, `folder`, or in words what it is instead, such as `a symbolic link`.
        open: gives a binary stream of its content.
    """

    name: str
    kind: str
    open: Callable[[], Any]


def members(archive: Path, most: int) -> Iterator[Member]:
    """All members of a zip, tar, tar.gz or folder, in its order.

    Args:
        archive: the file or folder.
        most: bytes up to which a tar is read.

    Raises:
        ValueError: if it is no archive, damaged, or longer than `most`.
        RuntimeError: for a folder that cannot be read.
    """
    if archive.is_dir():
        yield from _folder_members(archive)
        return
    with archive.open("rb") as stream:
        start = stream.read(BLOCK)
    # A zip that is cut at its end still begins like one.
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(archive):
        kind, found = "zip", _zip_members(archive)
    elif start[:2] == GZIP or start[257:262] == b"ustar":
        kind, found = "tar", _tar_members(archive, most)
    else:
        raise ValueError(
            f"{archive}: expected a zip, tar or tar.gz, got a file that starts with {start[:16]!r}"
        )
    try:
        yield from found
    except Exception as error:  # what zipfile, tarfile and gzip raise for a damaged archive is not bounded
        raise ValueError(f"{archive}: not a whole {kind} archive: {error or type(error).__name__}") from error


def _zip_members(archive: Path) -> Iterator[Member]:
    with _open_zip(archive) as opened:
        for info in opened.infolist():
            yield Member(info.orig_filename, _zip_kind(info), partial(opened.open, info))


def _open_zip(archive: Path) -> zipfile.ZipFile:
    """Names without the mark for UTF-8 are read as UTF-8 (macOS) or GB18030 (Chinese Windows) if possible."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return zipfile.ZipFile(archive, metadata_encoding=encoding)
        except UnicodeDecodeError:
            continue
    return zipfile.ZipFile(archive)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & ENCRYPTED:
        return "an encrypted member"
    # The upper half is the Unix mode, if there is one.
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device or the like"
    return "folder" if info.is_dir() else "file"


def _tar_members(archive: Path, most: int) -> Iterator[Member]:
    with archive.open("rb") as file:
        gzipped = file.read(2) == GZIP
        file.seek(0)
        stream = _Bounded(gzip.GzipFile(fileobj=file) if gzipped else file, most)  # type: ignore[arg-type]
        opened = tarfile.TarFile(fileobj=stream)  # type: ignore[arg-type]
        while (info := opened.next()) is not None:
            yield Member(info.name, _tar_kind(info), partial(opened.extractfile, info))
            # `tarfile` remembers every member.
            opened.members = []  # type: ignore[attr-defined]
        # `tarfile` takes a cut or damaged header for the end. The real one is a block of zeros; the rest is
        # read because gzip compares its checksum only then.
        stream.seek(opened.offset)
        end = stream.read(BLOCK)
        while stream.read(CHUNK):
            pass
        if end != bytes(BLOCK):
            raise ValueError("no mark at its end")


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname!r}"
    if info.issparse():
        return "a sparse file"
    if info.isdir():
        return "folder"
    return "file" if info.isreg() else "a device or the like"


class _Bounded:
    """A stream that is read up to `most` bytes: a gzip may hold a thousand times its size."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER:
            raise ValueError(f"a header of {size:,} bytes")
        self._check(self.tell() + size)
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        self._check(offset)
        return self._stream.seek(offset)

    def _check(self, offset: int) -> None:
        if offset > self._most + HEADER:
            raise ValueError(f"it unpacks to more than {self._most:,} bytes, which its size does not allow")


def _folder_members(folder: Path) -> Iterator[Member]:
    """Every file; a link to a file inside the folder is that file, any other link is a link."""
    inside = folder.resolve()
    for here, names, files in os.walk(folder, onerror=_unreadable):
        names.sort()
        for name in [*(n for n in names if (Path(here) / n).is_symlink()), *sorted(files)]:
            path = Path(here) / name
            yield Member(
                path.relative_to(folder).as_posix(), _file_kind(path, inside), partial(path.open, "rb")
            )


def _file_kind(path: Path, inside: Path) -> str:
    if path.is_symlink() and not path.resolve().is_relative_to(inside):
        return f"a link to {str(path.resolve())!r}"
    if path.is_dir():
        return "a link to a folder"
    return "file" if path.is_file() else "a device or the like"


def _unreadable(error: OSError) -> None:
    raise RuntimeError(f"{error.filename}: it cannot be read ({error.strerror})") from error
