"""Unpacking an archive that nobody has checked: every name, kind and size is looked at first."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from medseg_lab.data.obtain import Progress, quiet
from medseg_lab.data.obtain.archives import CHUNK, Member, members
from medseg_lab.data.obtain.disk import require_space, writing
from medseg_lab.data.obtain.listing import ends_like, is_macos_twin

RATIO = 100
"""Unpacked bytes for each of the archive's: pictures and volumes shrink by ten at most."""
LEAST = 16 * 10**6
"""Bytes that even the smallest archive may unpack to."""
MEMBERS = 1_000_000
"""An archive with more members is refused."""
SHOWN = 3
"""Names that a message about another archive quotes."""
SPACE_EVERY = 64 * 10**6
"""Bytes between two looks at the free space."""


def unpack(
    archive: Path, into: Path, keep: Sequence[str], most: int, progress: Progress = quiet
) -> tuple[str, ...]:
    """Write the wanted files of `archive` below `into`, under the archive's own folders.

    Args:
        archive: a zip, a tar, a tar.gz, or a folder that holds what such an archive would.
        into: an empty folder.
        keep: patterns of the files that are wanted, wherever the data set's folder is in the archive.
        most: bytes; more cannot be the data set that is wanted.
        progress: told of the bytes written.

    Returns:
        The first few names in the archive, for a message about an archive that is another one.

    Raises:
        ValueError: naming the archive, the member and what is wrong: no archive, truncated, encrypted; a
            member that leaves the target, is a link, a device or there twice; more unpacked than `most` or
            `RATIO` allow. Bytes are counted as they are written, whatever a header says.
        RuntimeError: for the disk.
    """
    if not (archive.is_dir() or archive.is_file()):
        raise ValueError(f"{archive}: no such file or folder")
    allowed = max(LEAST, RATIO * archive.stat().st_size)
    most = most if archive.is_dir() else min(most, allowed)
    names: list[str] = []
    written = 0
    for number, member in enumerate(members(archive, allowed)):
        if number >= MEMBERS:
            raise _refusal(archive, member, f"expected at most {MEMBERS:,} members, got more")
        path = _relative_path(archive, member)
        if member.kind == "folder" or not path.parts or is_macos_twin(path.parts):
            continue
        names = [*names, member.name][:SHOWN]
        if ends_like(path.parts, keep):
            written = _write(archive, member, into / path, written, most, progress)
    return tuple(names)


def _relative_path(archive: Path, member: Member) -> PurePosixPath:
    """Where a member belongs below the target, once it may be there at all."""
    path = PurePosixPath(member.name)
    if member.kind not in ("file", "folder"):
        raise _refusal(archive, member, f"expected a file or folder, got {member.kind}")
    if path.is_absolute() or re.match(r"[A-Za-z]:", member.name):
        raise _refusal(archive, member, "expected a path below the target folder, got an absolute one")
    if ".." in path.parts:
        raise _refusal(archive, member, "its path leaves the target folder")
    if "\\" in member.name or "\0" in member.name:
        raise _refusal(archive, member, "expected folders separated by /, got a backslash or a zero")
    return path


def _write(archive: Path, member: Member, target: Path, written: int, most: int, progress: Progress) -> int:
    """Write one member; the bytes written so far, this one's included."""
    next_look = 0
    with writing(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            out = target.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise _refusal(archive, member, "another member has this name, or one of its folders'") from None
        with out:
            for chunk in _chunks(archive, member):
                written += len(chunk)
                if written > most:
                    raise _refusal(archive, member, f"expected at most {most:,} bytes up to here, got more")
                if written > next_look:
                    require_space(target, SPACE_EVERY)
                    next_look = written + SPACE_EVERY
                out.write(chunk)
                progress(f"unpack {archive.name}", written, None)
    return written


def _chunks(archive: Path, member: Member) -> Iterator[bytes]:
    """The member's bytes; `zipfile` compares its checksum at the end."""
    try:
        with member.open() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except Exception as error:  # not bounded, as in `members`
        problem = f"it cannot be read: {error or type(error).__name__}"
        if archive.is_dir():
            raise RuntimeError(f"{archive / member.name}: {problem}") from error
        raise _refusal(archive, member, problem) from error


def _refusal(archive: Path, member: Member, problem: str) -> ValueError:
    """Names are quoted as Python does, since they may hold anything."""
    return ValueError(f"{archive}: member {member.name!r}: {problem}")
