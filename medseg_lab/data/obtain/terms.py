"""What a person should know before a data set is fetched."""

from dataclasses import dataclass

from medseg_lab.data.card import Card
from medseg_lab.data.obtain.listing import known_archive, listing


@dataclass(frozen=True)
class Terms:
    """A card's terms.

    Attributes:
        size_mb: MB to fetch; of the set, where it is fetched by hand.
        confirmed: when the addresses were last seen to work: a date, or "not yet".
        listed: files whose checksums are known.
        part: these are a part of the published set.
        archives: which whole archives have a known MD5, in words, where no file's checksum is known.
    """

    id: str
    title: str
    publisher: str
    licence: str
    citation: str
    home: str
    size_mb: float
    addresses: tuple[str, ...]
    confirmed: str
    by_hand: str
    listed: int
    part: bool
    archives: str

    def rows(self) -> list[tuple[str, str]]:
        """Names and values, for a table of two columns."""
        how = [("to be done by hand", self.by_hand)] if self.by_hand else []
        how += [("address", address) for address in self.addresses]
        return [
            ("data set", f"{self.title} ({self.id})"),
            ("publisher", self.publisher),
            ("licence", self.licence),
            ("please cite", self.citation),
            ("home", self.home),
            *how,
            ("addresses last confirmed", self.confirmed),
            ("size", f"{self.size_mb:,.1f} MB"),
            ("then verified", self._verified()),
        ]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows())
        indent = "\n" + " " * (width + 2)
        return "\n".join(f"{name:<{width}}  {value.replace(chr(10), indent)}" for name, value in self.rows())

    def _verified(self) -> str:
        if not self.listed:
            return "no file's checksum is known" + (f": {self.archives} only" if self.archives else "")
        which = "of a part of the published files" if self.part else "of every file"
        return f"checksums {which} ({self.listed:,} are known)"


def terms(card: Card) -> Terms:
    """The terms of a card.

    Raises:
        ValueError: for a card without a table [download]: there is nothing to fetch.
    """
    if card.download is None:
        raise ValueError(f"data set {card.id}: got nothing to fetch, wanted a set with files. {card.obtain}")
    known, archives = listing(card), card.download.archives
    return Terms(
        id=card.base,
        title=card.title,
        publisher=card.publisher,
        licence=card.licence,
        citation=card.citation,
        home=card.home,
        size_mb=sum(archive.size_mb for archive in archives) or card.size_mb,
        addresses=tuple(archive.url for archive in archives),
        confirmed=card.download.confirmed,
        by_hand=card.download.by_hand.strip(),
        listed=len(known.digests) if known else 0,
        part=bool(known and known.part),
        archives=", ".join(f"the MD5 of {a.name}" for a in archives if not known and known_archive(a.name)),
    )
