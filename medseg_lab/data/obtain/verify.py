"""Comparing a data set on disk with the list of checksums."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data.card import Card
from medseg_lab.data.obtain.keep import kept
from medseg_lab.data.obtain.listing import Listing, listing
from medseg_lab.data.obtain.progress import Progress, quiet

NAMED = 3
"""Files that a message names before it says how many more there are."""


@dataclass(frozen=True)
class Verdict:
    """What came of a comparison; files are paths relative to `folder`, sorted.

    Attributes:
        matching, differing: files on the list that are there, with the content wanted or with another; a
            gzipped file whose content is known may have been zipped anew.
        absent: files on the list that are not there.
        unlisted: files of the data set that the list does not know: no error, but nothing is known of them.
        listed: how many files the list has; 0 if there is no list.
        part: the list covers a part of the published set. Who has another part lacks files of the list, so
            these are reported and are no error; of a whole set, no file may be absent.
    """

    folder: Path
    matching: tuple[str, ...]
    differing: tuple[str, ...]
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]
    listed: int
    part: bool

    @property
    def good(self) -> bool:
        """Nothing differs, and nothing is absent from a set whose list is whole."""
        return not self.differing and (self.part or not self.absent)

    def __str__(self) -> str:
        if not self.listed:
            return f"no checksums are known for this set: {_count(self.unlisted)} there, none compared"
        some = [f"{_count(self.matching)} match{'es' * (len(self.matching) == 1)}"]
        some += (
            [f"{_count(self.differing)} differ{'s' * (len(self.differing) == 1)}"] if self.differing else []
        )
        whose = " (the list covers a part of the published set)" if self.part else ""
        some += [f"{_count(self.absent)} of the list absent{whose}"] if self.absent else []
        some += [f"{_count(self.unlisted)} not on the list, not compared"] if self.unlisted else []
        return ", ".join(some)

    def require(self) -> None:
        """Make sure that the comparison came out well.

        Raises:
            ValueError: naming the first files that differ or are absent.
        """
        if self.differing:
            raise ValueError(
                f"{self.folder / self.differing[0]}: got another checksum than the list's "
                f"(so for {_names(self.differing)}), wanted the published content"
            )
        if not self.good:
            raise ValueError(
                f"{self.folder}: got no {_names(self.absent)}, wanted all {self.listed:,} files of the list"
            )


def verify(folder: Path, card: Card, progress: Progress = quiet) -> Verdict:
    """Compare the data set in `folder` (its own folder: `locate.find(card)`) with the card's list.

    Raises:
        ValueError: if the card has no table [download], as that says what belongs to the set.
        RuntimeError: naming a file that cannot be read.
    """
    if card.download is None:
        raise ValueError(
            f"data set {card.base}: got a card without [download], wanted one with files to verify"
        )
    known = listing(card) or Listing({}, part=True)
    there = set(kept(folder, card.download.keep))
    both = sorted(there & known.digests.keys())
    same = _same(folder, both, known, progress)
    return Verdict(
        folder,
        matching=tuple(sorted(same)),
        differing=tuple(name for name in both if name not in same),
        absent=tuple(sorted(known.digests.keys() - there)),
        unlisted=tuple(sorted(there - known.digests.keys())),
        listed=len(known.digests),
        part=known.part,
    )


def _same(folder: Path, names: Sequence[str], known: Listing, progress: Progress) -> set[str]:
    """The names whose files are as listed, compared side by side: hashing leaves Python's lock alone."""
    same = set()
    try:
        sizes = [(folder / name).stat().st_size for name in names]
        done, total = 0, sum(sizes)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            held = pool.map(known.holds, names, (folder / name for name in names))
            for name, size, is_same in zip(names, sizes, held, strict=True):
                same |= {name} if is_same else set()
                done += size
                progress("verify", done, total)
    except OSError as error:
        raise RuntimeError(f"{error.filename or folder}: got {error.strerror}, wanted to read it") from error
    return same


def _count(names: Sequence[str]) -> str:
    return f"{len(names):,} file{'' if len(names) == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
