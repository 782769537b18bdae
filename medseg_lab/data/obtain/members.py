"""An archive's members: which may be written, and where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from medseg_lab.data.obtain.disk import require_room, writing
from medseg_lab.data.obtain.keep import ends_like, is_twin
from medseg_lab.data.obtain.progress import Progress

MEMBERS = 1_000_000
"""Members above which an archive is not read on."""
NAMED = 3
ROOM_EVERY = 64 * 10**6


@dataclass
class Sink:
    """Takes members in the archive's order, and writes those that are wanted.

    Args:
        archive: for messages.
        into: the folder that nothing may leave.
        keep: patterns of what is written.
        most: bytes that all of them together may have.
        progress: told of the bytes written.
        seen: the first few names.
    """

    archive: Path
    into: Path
    keep: tuple[str, ...]
    most: int
    progress: Progress
    seen: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    _written: int = 0
    _until: int = 0

    def admit(self, name: str, kind: str) -> PurePosixPath | None:
        """Where the member of this name belongs, or None if it is of no use.

        Args:
            name: as the archive has it.
            kind: `file` or `folder`, or the word for what is refused, such as `a symbolic link`.

        Raises:
            ValueError: if it may not be there at all.
        """
        if kind not in ("file", "folder"):
            raise self.refusal(name, kind, "files and folders only")
        path = self._inside(name)
        if kind == "folder" or not path.parts or is_twin(path.parts):
            return None
        if len(self._names) >= MEMBERS:
            raise self.refusal(name, f"more than {MEMBERS:,} members", "a data set")
        above = {str(folder) for folder in path.parents}
        if str(path) in self._names or str(path) in self._folders or above & self._names:
            raise self.refusal(name, "two members of that name", "one")
        self._names.add(str(path))
        self._folders |= above
        if len(self.seen) < NAMED:
            self.seen.append(name)
        return path if ends_like(path.parts, self.keep) else None

    def write(self, path: PurePosixPath, chunks: Iterable[bytes]) -> None:
        """Write one admitted member.

        Raises:
            ValueError: if it is more than may be.
            RuntimeError: for the disk.
        """
        target = self.into / path
        step = f"unpack {self.archive.name}"
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                for chunk in chunks:
                    self._written += len(chunk)
                    if self._written > self.most:
                        seen = f"more than {self.most:,} bytes up to this member"
                        raise self.refusal(
                            str(path), seen, "no more than the card or the archive's size allow"
                        )
                    if self._written > self._until:
                        require_room(target, ROOM_EVERY)
                        self._until = self._written + ROOM_EVERY
                    out.write(chunk)
                    self.progress(step, self._written, None)

    def refusal(self, name: str, seen: str, wanted: str) -> ValueError:
        """The error about one member; names are quoted as Python does, since they may hold anything."""
        return ValueError(f"{self.archive}: member {name!r}: got {seen}, wanted {wanted}")

    def _inside(self, name: str) -> PurePosixPath:
        """The name as a path below the target."""
        path = PurePosixPath(name)
        if path.is_absolute() or re.match(r"[A-Za-z]:", name):
            raise self.refusal(name, "an absolute path", "one below the target folder")
        if ".." in path.parts:
            raise self.refusal(name, "a path that leaves the target folder", "one below it")
        if "\\" in name or "\0" in name:
            raise self.refusal(name, "a backslash or a zero in the name", "folders parted by /")
        return path
