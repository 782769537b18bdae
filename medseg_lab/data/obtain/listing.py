"""The lists of checksums that come with the library: `data/checksums/`.

`<id>.sha256` lists a whole set, `<id>.part.sha256` a part of the published one; both are in sha256sum's own
format, relative to the data set's folder, so that `sha256sum -c` reads them. Two more look alike and are
not: `<id>.pixel-digests` has the numbers of decoded pixels (`pixels.pixel_digest`), and `<id>.contents`
those of what is inside of gzipped files, for a list made from a copy: publisher and copy may have zipped the
same volume, each in its way. `archives.md5` has what others published about whole archives, for sets whose
files nobody here has seen.
"""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from medseg_lab.data.card import Card
from medseg_lab.data.obtain.digests import content_digest, sha256
from medseg_lab.data.obtain.keep import kept
from medseg_lab.data.obtain.pixels import pixel_digest


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

    def holds(self, name: str, path: Path) -> bool:
        """Whether the file at `path` is what the list has under `name`, zipped anew or not."""
        if self.digest(path) == self.digests[name]:
            return True
        return name in self.contents and content_digest(path) == self.contents[name]

    def digest(self, path: Path) -> str:
        """The file's digest of this list's kind; a picture that cannot be decoded gets a digest of no use."""
        if not self.pixels:
            return sha256(path)
        try:
            return pixel_digest(path)
        except ValueError as error:
            return f"not decoded: {error}"


def listing(card: Card) -> Listing | None:
    """The list of a card's files, or None where no checksum is known."""
    for ending, part in (("sha256", False), ("part.sha256", True), ("pixel-digests", False)):
        if (text := _text(f"{card.base}.{ending}")) is not None:
            contents = _read(_text(f"{card.base}.contents") or "")
            return Listing(_read(text), part, ending == "pixel-digests", contents)
    return None


def known_archive(name: str) -> str | None:
    """The MD5 that others published about the archive of this name, or None."""
    return _read(_text("archives.md5") or "").get(name)


def written(folder: Path, card: Card) -> str:
    """The text of a list of the data set in `folder`: how those in `data/checksums` were made."""
    pixels = card.download is not None and card.download.compare == "pixels"
    digest = pixel_digest if pixels else sha256
    names = kept(folder, card.download.keep if card.download else ())
    return "".join(f"{digest(folder / name)}  {name}\n" for name in names)


def _read(text: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, _, name in lines}


def _text(name: str) -> str | None:
    path = resources.files("medseg_lab.data") / "checksums" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
