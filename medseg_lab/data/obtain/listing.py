"""The files of a data set: which are kept, and the checksums that come with the library (`data/checksums/`).

`<id>.sha256` lists a whole set, `<id>.part.sha256` a part of the published one; both are in sha256sum's own
format, relative to the data set's folder, so that `sha256sum -c` reads them. Two more look alike and are not:
`<id>.pixel-digests` has the digests of decoded pixels (`digests.pixel_digest`), and `<id>.contents` those of
what is inside gzipped files, for a list made from a copy: publisher and copy may have zipped the same volume,
each in its way. `archives.md5` has what others published about whole archives, for sets without such a list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path

from medseg_lab.data.card import Card, Download
from medseg_lab.data.obtain.digests import content_digest, pixel_digest, sha256


@dataclass(frozen=True)
class Listing:
    """Digests by relative path.

    Attributes:
        part: the list is of a part of the published set.
        pixels: the digests are of what pictures show.
        contents: digests of what is in the gzipped files, as far as they are known.
    """

    digests: dict[str, str]
    part: bool = False
    pixels: bool = False
    contents: dict[str, str] = field(default_factory=dict)

    def matches(self, name: str, path: Path) -> bool:
        """Whether the file at `path` is the one listed as `name`, zipped anew or not; a damaged one is not.

        Raises:
            OSError: if it cannot be read.
        """
        try:
            if (pixel_digest if self.pixels else sha256)(path) == self.digests[name]:
                return True
            return name in self.contents and content_digest(path) == self.contents[name]
        except ValueError:
            return False


def require_download(card: Card) -> Download:
    """The card's table [download].

    Raises:
        ValueError: if it has none, as a set that is generated.
    """
    if card.download is None:
        raise ValueError(f"data set {card.base}: it has no files to get or to verify. {card.obtain}")
    return card.download


def listing(card: Card) -> Listing | None:
    """The list of a card's files, or None where no checksum is known."""
    for ending, part in (("sha256", False), ("part.sha256", True), ("pixel-digests", False)):
        if (text := _text(f"{card.base}.{ending}")) is not None:
            contents = _read(_text(f"{card.base}.contents") or "")
            return Listing(_read(text), part, ending == "pixel-digests", contents)
    return None


def archive_md5(name: str) -> str | None:
    """The MD5 that others published about the archive of this name, or None."""
    return _read(_text("archives.md5") or "").get(name)


def written(folder: Path, card: Card) -> str:
    """The text of a list of the data set in `folder`: how those in `data/checksums` were made."""
    download = require_download(card)
    digest = pixel_digest if download.compare == "pixels" else sha256
    return "".join(f"{digest(folder / name)}  {name}\n" for name in kept(folder, download.keep))


def kept(folder: Path, patterns: Sequence[str]) -> Iterator[str]:
    """The files of `folder` that have one of the patterns: relative paths with slashes, each once, sorted."""
    found = {p.relative_to(folder) for pattern in patterns for p in folder.glob(pattern) if p.is_file()}
    yield from sorted(p.as_posix() for p in found if not is_macos_twin(p.parts))


def ends_like(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a path ends as one of the patterns says, part by part."""
    for pattern in patterns:
        wanted = pattern.split("/")
        last = parts[-len(wanted) :]
        if len(last) == len(wanted) and all(map(fnmatchcase, last, wanted)):
            return True
    return False


def is_macos_twin(parts: Sequence[str]) -> bool:
    """Whether a path is a file's second half by macOS, which is no data: `__MACOSX/...` or `._name`."""
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _read(text: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, _, name in lines}


def _text(name: str) -> str | None:
    path = resources.files("medseg_lab.data") / "checksums" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
