"""Tar archives, plain or gzipped."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from medseg_lab.data.obtain.members import Sink

CHUNK = 1 << 18
HEADER = 1 << 24
"""Bytes that are read in one piece: `tarfile` takes a header of any claimed size into memory."""
BLOCK = tarfile.BLOCKSIZE
BROKEN = (tarfile.TarError, zlib.error, EOFError, ValueError, OSError, OverflowError, IndexError, KeyError)
"""What `tarfile` and `gzip` raise on a broken archive."""


class _Counted:
    """A stream that counts how far it was read: a gzip may hold a thousand times its size."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER:
            raise ValueError(f"a header of {size:,} bytes")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, offset: int) -> None:
        if offset > self._most + HEADER:
            raise ValueError(f"more than {self._most:,} bytes in all, which its size does not allow")


def is_tar(archive: Path) -> bool:
    """Whether it begins like a gzip or a tar."""
    with archive.open("rb") as stream:
        start = stream.read(BLOCK)
    return start[:2] == b"\x1f\x8b" or start[257:262] == b"ustar"


def unpack_tar(archive: Path, sink: Sink, most: int) -> None:
    """Hand every member to `sink`, reading no more than `most` bytes; see `unpack` for what is raised."""
    with archive.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = _Counted(gzip.GzipFile(fileobj=file) if zipped else file, most)  # type: ignore[arg-type]
        opened = _open(stream, archive)
        while (member := _next(opened, archive)) is not None:
            path = sink.admit(member.name, _kind(member))
            if path is not None:
                sink.write(path, _chunks(opened, member, sink))
            # `tarfile` remembers every member.
            opened.members = []  # type: ignore[attr-defined]
        _require_end(opened, stream, archive)


def _open(stream: _Counted, archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.TarFile(fileobj=stream)  # type: ignore[arg-type]
    except BROKEN as error:
        raise _broken(archive, error) from error


def _next(opened: tarfile.TarFile, archive: Path) -> tarfile.TarInfo | None:
    try:
        return opened.next()
    except BROKEN as error:
        raise _broken(archive, error) from error


def _require_end(opened: tarfile.TarFile, stream: _Counted, archive: Path) -> None:
    """`tarfile` takes a cut or a spoilt header for the end: that is a block of zeros, and gzip's checksum."""
    try:
        stream.seek(opened.offset)
        block = stream.read(BLOCK)
        while stream.read(CHUNK):
            pass
    except BROKEN as error:
        raise _broken(archive, error) from error
    if block != bytes(BLOCK):
        raise _broken(archive, ValueError("no mark at its end"))


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    if member.issparse():
        return "a sparse file"
    if member.isdir():
        return "folder"
    return "file" if member.isreg() else "a device or the like"


def _chunks(opened: tarfile.TarFile, member: tarfile.TarInfo, sink: Sink) -> Iterator[bytes]:
    try:
        stream = opened.extractfile(member)
        while stream is not None and (chunk := stream.read(CHUNK)):
            yield chunk
    except BROKEN as error:
        raise sink.refusal(member.name, str(error) or type(error).__name__, "a whole member") from error


def _broken(archive: Path, error: BaseException) -> ValueError:
    return ValueError(f"{archive}: got {error or type(error).__name__}, wanted a whole tar archive")
