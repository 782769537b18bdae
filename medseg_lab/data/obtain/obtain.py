"""From a card to its data set on disk: downloaded, unpacked, laid out, verified, and only then published."""

from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data import locate
from medseg_lab.data.card import Card
from medseg_lab.data.obtain import Progress, layouts, quiet
from medseg_lab.data.obtain.digests import md5
from medseg_lab.data.obtain.disk import writing
from medseg_lab.data.obtain.download import download
from medseg_lab.data.obtain.listing import archive_md5, listing, require_download
from medseg_lab.data.obtain.staging import staging
from medseg_lab.data.obtain.unpack import unpack
from medseg_lab.data.obtain.verify import Verdict, verify

UNPACKED = 10
"""A data set may be this many times as large as its card says: unzipped volumes, other parts of it."""
LONGER = 4
"""The same of an archive: publishers add things."""
LEAST = 64 * 10**6
"""Bytes that are allowed in addition."""


@dataclass(frozen=True)
class Obtained:
    """Where a data set is, the result of verifying it, and whether it was brought there just now."""

    folder: Path
    verdict: Verdict
    fresh: bool


def obtain(
    card: Card,
    target: Path | None = None,
    source: Path | None = None,
    accept_licence: bool = False,
    progress: Progress = quiet,
) -> Obtained:
    """Bring a data set into `target`, unless it is there; what is there is never overwritten.

    Args:
        card: a card with a table [download].
        target: the data set's own folder; None for the first place where it is looked for (`locate.places`),
            unless it is at hand at any of them.
        source: an archive or a folder at hand, which is left as it is; then nothing is downloaded.
        accept_licence: needed before anything is downloaded.
        progress: told of the steps.

    Raises:
        ValueError: for what a person can put right: the licence not accepted; no source where the publisher
            requires registration; the target in use; a damaged or different archive.
        RuntimeError: for a failure of the system or of a server. What was downloaded stays for the next try.
    """
    require_download(card)
    final = (target or locate.places(card.base)[0]).expanduser().resolve()
    # Looked at first: what another process puts there meanwhile is the whole data set, and is found below.
    in_use = final.is_dir() and any(final.iterdir())
    there = _at_hand(card, target)
    if there is None:
        if in_use:
            raise ValueError(f"{final}: expected an empty or new folder, got one with other files")
        _require_ready(card, final, source, accept_licence)
        with staging(final, progress) as folder:
            # Another process may have brought it while this one waited.
            there = _at_hand(card, target)
            if there is None:
                return Obtained(final, _bring(card, final, folder, source, progress), fresh=True)
    verdict = verify(there, card, progress)
    verdict.require()
    return Obtained(there, verdict, fresh=False)


def _at_hand(card: Card, target: Path | None) -> Path | None:
    """The data set's folder if it is in `target`, or at any place where it is looked for."""
    if target is None:
        return locate.find(card)
    folders = (target.expanduser(), *(target.expanduser() / name for name in card.folders))
    return next((folder for folder in folders if locate.is_at(folder, card)), None)


def _require_ready(card: Card, target: Path, source: Path | None, accept_licence: bool) -> None:
    command = f"medseg data get {card.base}"
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target}: expected an empty or new folder, got a file")
    if source is not None:
        if target.is_relative_to(source.expanduser().resolve()):
            raise ValueError(f"{target}: expected a place outside of what is copied, got one inside {source}")
    elif not require_download(card).archives:
        raise ValueError(
            f"data set {card.base}: its publisher gives it to those who register; say with --from where the "
            f"archive or folder is: {command} --from PATH"
        )
    elif not accept_licence:
        raise ValueError(
            f"data set {card.base}: its licence ({card.licence}) must be accepted before anything is "
            f"downloaded: {command} --accept-licence"
        )


def _bring(card: Card, target: Path, folder: Path, source: Path | None, progress: Progress) -> Verdict:
    """Download, unpack, lay out and verify in the staging folder, then move the result to `target`."""
    archives = require_download(card).archives
    if source:
        paths = [source.expanduser()]
    else:
        paths = [
            download(a.url, folder / a.name, int(LONGER * 1e6 * a.size_mb) + LEAST, progress)
            for a in archives
        ]
    known = layouts.layouts(card)
    keep = [pattern for layout in known for pattern in layout.keep]
    most = int(UNPACKED * 1e6 * max(card.size_mb, sum(archive.size_mb for archive in archives))) + LEAST
    seen: list[str] = []
    for number, path in enumerate(paths):
        _require_published(card, path)
        seen += unpack(path, folder / "unpacked" / str(number), keep, most, progress)
    found = layouts.find_root(folder / "unpacked", known)
    if found is None:
        markers = " or ".join(marker for layout in known for marker in layout.markers)
        inside = f"{', '.join(map(repr, seen))}, ..." if seen else "no file"
        raise ValueError(f"{paths[-1]}: expected {markers} inside, got {inside}")
    laid_out = folder / "laid-out"
    layouts.lay_out(*found, laid_out)
    verdict = verify(laid_out, card, progress)
    verdict.require(paths[-1])
    with writing(target):
        # An empty folder is replaced; one that was filled meanwhile is an error.
        laid_out.rename(target)
    return verdict


def _require_published(card: Card, archive: Path) -> None:
    """Where no file's checksum is known, the archive's is compared, if that is known."""
    published = archive_md5(archive.name)
    if published and listing(card) is None and archive.is_file() and (seen := md5(archive)) != published:
        raise ValueError(f"{archive}: expected MD5 {published}, got {seen}")
