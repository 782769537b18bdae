"""Finding the data set in what was unpacked, and laying out what is kept of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data.card import Card
from medseg_lab.data.obtain import nuclei
from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.obtain.listing import ends_like, kept, require_download


@dataclass(frozen=True)
class Layout:
    """One form in which a data set comes.

    Attributes:
        markers, folders: as in `Card`, for this form.
        keep: patterns of the files that are needed.
        convert: makes the data set's files from these, as `convert(root, into)`; None: these are the files.
    """

    markers: tuple[str, ...]
    keep: tuple[str, ...]
    folders: tuple[str, ...]
    convert: Callable[[Path, Path], None] | None = None


NUCLEI = Layout(("*/masks",), ("*/images/*.png", "*/masks/*.png"), ("stage1_train",), nuclei.convert)


def layouts(card: Card) -> tuple[Layout, ...]:
    """The forms in which a card's data set comes: the publisher's, where it differs, first."""
    own = Layout(card.markers, require_download(card).keep, card.folders)
    return (NUCLEI, own) if card.reader in ("nuclei", "nuclei-apart") else (own,)


def find_root(unpacked: Path, known: tuple[Layout, ...]) -> tuple[Path, Layout] | None:
    """The folder below `unpacked` that holds the data set, and its form; None if there is none.

    Of several folders that hold a marker, those with the publisher's name come first (ACDC's `training`
    before its `testing`), then those with more files to keep.
    """
    for layout in known:
        found = {
            path.parents[marker.count("/")] for marker in layout.markers for path in unpacked.rglob(marker)
        }
        if found:
            return max(sorted(found), key=lambda root: _rank(root, layout)), layout
    return None


def lay_out(root: Path, layout: Layout, into: Path) -> None:
    """Move, or convert, what is kept of `root` to `into`, which must not exist.

    Raises:
        ValueError: if a file cannot be converted.
        RuntimeError: for the disk.
    """
    with writing(into):
        into.mkdir()
    if layout.convert is not None:
        layout.convert(root, into)
    else:
        for name in list(kept(root, layout.keep)):
            with writing(into / name):
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).rename(into / name)


def _rank(root: Path, layout: Layout) -> tuple[bool, int]:
    return ends_like(root.parts, layout.folders), sum(1 for _ in kept(root, layout.keep))
