"""Zip archives."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from medseg_lab.data.obtain.members import Sink

CHUNK = 1 << 18
UTF8, ENCRYPTED = 0x800, 0x1
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What `zipfile` raises on a broken archive."""


def is_zip(archive: Path) -> bool:
    """Whether it begins or ends like one (cut at its end, it still begins like one)."""
    with archive.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(archive)


def unpack_zip(archive: Path, sink: Sink) -> None:
    """Hand every member to `sink`; see `unpack` for what is raised."""
    try:
        opened = zipfile.ZipFile(archive)
    except BROKEN as error:
        raise ValueError(f"{archive}: got {error}, wanted a whole zip archive") from error
    with opened:
        for member in opened.infolist():
            name = name_of(member)
            path = sink.admit(name, _kind(member))
            if path is not None:
                sink.write(path, _chunks(opened, member, name, sink))


def name_of(member: zipfile.ZipInfo) -> str:
    """The member's name. One without the mark for UTF-8 is read as UTF-8 or GB18030 if it is not plain ASCII.

    Chinese Windows writes GBK, whose second bytes may look like a backslash; macOS writes UTF-8 unmarked.
    """
    if member.flag_bits & UTF8 or member.orig_filename.isascii():
        return member.orig_filename
    raw = member.orig_filename.encode("cp437")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return member.orig_filename


def _kind(member: zipfile.ZipInfo) -> str:
    """What the member is, in a word; the upper half of `external_attr` is the Unix mode, if any."""
    if member.flag_bits & ENCRYPTED:
        return "an encrypted member"
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device or the like"
    return "folder" if member.is_dir() else "file"


def _chunks(opened: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, sink: Sink) -> Iterator[bytes]:
    """The member's bytes; its checksum is compared at the end."""
    try:
        with opened.open(member) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except BROKEN as error:
        raise sink.refusal(name, str(error) or type(error).__name__, "a whole member") from error
