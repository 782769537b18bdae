"""From a card to its data set on disk: fetched, unpacked, laid out, verified, and only then in its place."""

from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data import locate
from medseg_lab.data.card import Card
from medseg_lab.data.obtain import layouts
from medseg_lab.data.obtain.digests import md5
from medseg_lab.data.obtain.fetch import fetch
from medseg_lab.data.obtain.listing import known_archive, listing
from medseg_lab.data.obtain.progress import Progress, quiet
from medseg_lab.data.obtain.terms import terms
from medseg_lab.data.obtain.unpack import unpack
from medseg_lab.data.obtain.verify import Verdict, verify
from medseg_lab.data.obtain.workshop import Workshop, workshop

ROOM = 10
"""A data set may be so many times as large as its card says: unzipped volumes, other parts of it."""
LONGER = 4
"""The same of an archive: publishers add things."""
LEAST = 64 * 10**6
"""Bytes that are allowed besides."""


@dataclass(frozen=True)
class Obtained:
    """Where a data set is, what came of comparing it, and whether it was brought there just now."""

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
        source: an archive or a folder at hand, which is left as it is; then nothing is fetched.
        accept_licence: needed before anything is fetched.
        progress: told of the steps.

    Raises:
        ValueError: for what a person can mend: the licence not accepted; no source where the publisher wants
            registration; the target in use; an archive or files at fault.
        RuntimeError: for what the system or a server did. Then what was fetched is kept for the next try.
    """
    terms(card)
    final = (target or locate.places(card.base)[0]).expanduser().resolve()
    # Looked at first: what another process puts there meanwhile is the data set, whole, and is found below.
    in_use = final.is_dir() and any(final.iterdir())
    there = _at_hand(card, target)
    if there is None:
        if in_use:
            raise ValueError(
                f"{final}: got a folder with other files, wanted one that is empty or not there yet"
            )
        _require_ready(card, final, source, accept_licence)
        with workshop(final, progress) as work:
            # Another process may have brought it while this one waited.
            there = _at_hand(card, target)
            if there is None:
                verdict = _bring(card, work, source, progress)
                return Obtained(final, verdict, fresh=True)
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
    if target.exists() and not target.is_dir():
        raise ValueError(f"{target}: got a file, wanted a folder that is empty or not there yet")
    if source is not None and target.is_relative_to(source.expanduser().resolve()):
        raise ValueError(f"{target}: got a place inside {source}, wanted one outside of what is copied")
    archives = card.download.archives if card.download else ()
    if source is None and not archives:
        raise ValueError(
            f"data set {card.base}: got no --from, wanted the archive or folder that its publisher gives "
            f"to those who register: medseg data get {card.base} --from PATH"
        )
    if source is None and not accept_licence:
        raise ValueError(
            f"data set {card.base}: got no --accept-licence, wanted it before anything is fetched (licence: "
            f"{card.licence}): medseg data get {card.base} --accept-licence"
        )


def _bring(card: Card, work: Workshop, source: Path | None, progress: Progress) -> Verdict:
    """Fetch, unpack, lay out, verify, put in place."""
    assert card.download is not None
    archives = card.download.archives
    brought = [source.expanduser()] if source else []
    for archive in archives if not source else ():
        most = int(LONGER * 1e6 * archive.size_mb) + LEAST
        brought.append(fetch(archive.url, work.folder / archive.name, most, progress))
    known = layouts.layouts(card)
    keep = [pattern for layout in known for pattern in layout.keep]
    most = int(ROOM * 1e6 * max(card.size_mb, sum(archive.size_mb for archive in archives))) + LEAST
    seen: list[str] = []
    for number, archive_path in enumerate(brought):
        _require_published(card, archive_path)
        seen += unpack(archive_path, work.unpacked / str(number), keep, most, progress)
    found = layouts.find_root(work.unpacked, known)
    if found is None:
        inside = f"{', '.join(map(repr, seen)) or 'no file'}{', ...' if seen else ''}"
        wanted = " or ".join(marker for layout in known for marker in layout.markers)
        raise ValueError(f"{brought[-1]}: got {inside} inside, wanted {wanted}")
    layouts.lay_out(*found, work.laid_out)
    verdict = verify(work.laid_out, card, progress)
    if not verdict.good:
        _say_whose(verdict, brought[-1])
    work.publish()
    return verdict


def _require_published(card: Card, archive: Path) -> None:
    """Where no file's checksum is known, the archive's is compared, if that is known."""
    wanted = known_archive(archive.name)
    if wanted and listing(card) is None and archive.is_file() and (got := md5(archive)) != wanted:
        raise ValueError(f"{archive}: got MD5 {got}, wanted {wanted}")


def _say_whose(verdict: Verdict, archive: Path) -> None:
    try:
        verdict.require()
    except ValueError as error:
        raise ValueError(f"{archive}: {str(error).removeprefix(str(verdict.folder)).lstrip('/: ')}") from None
