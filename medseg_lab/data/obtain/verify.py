"""Comparing a data set on disk with the list of checksums."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data.card import Card
from medseg_lab.data.obtain import Progress, quiet
from medseg_lab.data.obtain.listing import Listing, kept, listing, require_download

SHOWN = 3
"""Files that a message names before it says how many more there are."""


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison; files are paths relative to `folder`, sorted.

    Attributes:
        matching, differing: files on the list that are there, with the content listed or with another; a
            gzipped file whose content is known may have been zipped anew.
        absent: files on the list that are not there.
        unlisted: files of the data set that are not on the list: no error, but nothing is known of them.
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
            return f"no checksums are known for this set: {len(self.unlisted):,} files, none compared"
        absent = "absent (the list covers a part of the published set)" if self.part else "absent"
        counts = {
            "match": self.matching,
            "differ": self.differing,
            absent: self.absent,
            "not on the list": self.unlisted,
        }
        return "files: " + ", ".join(f"{len(names):,} {word}" for word, names in counts.items() if names)

    def require(self, source: Path | None = None) -> None:
        """Make sure that the data set is as published.

        Args:
            source: the archive that the files came from, if that is what a person knows of.

        Raises:
            ValueError: naming the first files that differ or are absent.
        """
        subject = source or self.folder
        if self.differing:
            raise ValueError(
                f"{subject}: expected the published checksums, got others for {_names(self.differing)}"
            )
        if not self.good:
            raise ValueError(
                f"{subject}: expected all {self.listed:,} files of the list, got no {_names(self.absent)}"
            )


def verify(folder: Path, card: Card, progress: Progress = quiet) -> Verdict:
    """Compare the data set in `folder` (its own folder: `locate.find(card)`) with the card's list.

    Raises:
        ValueError: if the card has no table [download], as that says what belongs to the set.
        RuntimeError: naming a file that cannot be read.
    """
    there = set(kept(folder, require_download(card).keep))
    known = listing(card) or Listing({}, part=True)
    both = sorted(there & known.digests.keys())
    same = _same(folder, both, known, progress)
    return Verdict(
        folder,
        matching=tuple(name for name in both if name in same),
        differing=tuple(name for name in both if name not in same),
        absent=tuple(sorted(known.digests.keys() - there)),
        unlisted=tuple(sorted(there - known.digests.keys())),
        listed=len(known.digests),
        part=known.part,
    )


def _same(folder: Path, names: Sequence[str], known: Listing, progress: Progress) -> set[str]:
    """The names whose files are as listed, compared side by side: hashing releases Python's lock."""
    same = set()
    try:
        sizes = [(folder / name).stat().st_size for name in names]
        done, total = 0, sum(sizes)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            results = pool.map(known.matches, names, (folder / name for name in names))
            for name, size, is_same in zip(names, sizes, results, strict=True):
                same |= {name} if is_same else set()
                done += size
                progress("verify", done, total)
    except OSError as error:
        raise RuntimeError(f"{error.filename or folder}: it cannot be read ({error.strerror})") from error
    return same


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
