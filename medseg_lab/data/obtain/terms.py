"""What a person should know before a data set is downloaded."""

from medseg_lab.data.card import Card
from medseg_lab.data.obtain.listing import archive_md5, listing, require_download


def terms(card: Card) -> list[tuple[str, str]]:
    """The terms of a card: names and values, for a table of two columns.

    Raises:
        ValueError: for a card without a table [download]: there is nothing to get.
    """
    download = require_download(card)
    how = [("to be done by hand", download.by_hand.strip())] if download.by_hand else []
    how += [("address", archive.url) for archive in download.archives]
    return [
        ("data set", f"{card.title} ({card.base})"),
        ("publisher", card.publisher),
        ("licence", card.licence),
        ("please cite", card.citation),
        ("home", card.home),
        *how,
        ("addresses last confirmed", download.confirmed),
        ("size", f"{sum(archive.size_mb for archive in download.archives) or card.size_mb:,.1f} MB"),
        ("then verified", _verified(card)),
    ]


def _verified(card: Card) -> str:
    if known := listing(card):
        which = "of a part of the published files" if known.part else "of every file"
        return f"checksums {which} ({len(known.digests):,} are known)"
    archives = [a.name for a in require_download(card).archives if archive_md5(a.name)]
    md5s = ", ".join(f"the MD5 of {name}" for name in archives)
    return "no file's checksum is known" + (f": {md5s} only" if md5s else "")
