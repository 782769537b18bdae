"""A data set in numbers and words: what its files hold, and what tables and pages say of its card.

The table `[measured]` of a card holds the numbers, so that pages can state them where the files are not
available. A test counts them again where they are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.data import splits
from medseg_lab.data.card import Card, Measured
from medseg_lab.data.case import IGNORE

if TYPE_CHECKING:
    from medseg_lab.data.readers.reader import Raw, Reader

WORKERS = 4
DIGITS = 4
NOT_MEASURED = "not measured"

Spread = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]


def measure(
    reader: "Reader", card: Card, sources: str = "", done: Callable[[str], None] | None = None
) -> Measured:
    """What a whole data set holds, read case by case, at most `WORKERS` in memory at once.

    Shares are means over cases of equal weight; where there are several raters, over them, too. Voxels that
    nobody annotated (`IGNORE`) are left out. Sizes are before resampling. Numbers have four digits.

    Args:
        reader: of the data set.
        card: names the classes.
        sources: which copy of the data set this is, in words.
        done: called with a case's id once it was read.

    Raises:
        ValueError: as the reader does, for the first inconsistent file.
    """
    patients = reader.patients()

    def one(case: str) -> tuple[tuple[int, ...], tuple[float, ...] | None, np.ndarray]:
        raw = reader.read(case)
        found = raw.image.shape[1:], raw.spacing, class_shares(raw, len(card.classes))
        if done is not None:
            done(case)
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        shapes, spacings, shares = zip(*pool.map(one, patients), strict=True)
    return Measured(
        cases=len(shapes),
        patients=len(set(patients.values())),
        shape=_spread(np.array(shapes)),
        spacing=None if None in spacings else _spread(np.array(spacings)),
        shares=dict(zip(card.classes, map(_rounded, np.nanmean(shares, axis=0)), strict=True)),
        sources=sources,
    )


def class_shares(raw: "Raw", classes: int) -> np.ndarray:
    """The share of each class in a case `(K,)`; NaN where nothing is annotated."""
    counts = [np.bincount(reading.ravel(), minlength=IGNORE + 1)[:classes] for reading in raw.labels]
    shares = [count / count.sum() for count in counts if count.sum()]
    return np.mean(shares, axis=0) if shares else np.full(classes, np.nan)


def part_sizes(card: Card, patients: dict[str, str] | int) -> dict[str, tuple[int, int | None]]:
    """Patients and cases of each part under the card's shares and `split_seed` 0, in the order of use.

    Args:
        card: of the data set.
        patients: the patient of every case (`Reader.patients`), or, where the files are not available, the
            number of patients: then the cases of a part are None.

    Raises:
        ValueError: if there are too few patients for every part to have one.
    """
    if isinstance(patients, int):
        split = splits.split(tuple(map(str, range(patients))), card.parts)
        counts = None
    else:
        split = splits.split(splits.shuffled(patients.values(), 0), card.parts)
        counts = Counter(patients.values())
    return {
        name: (len(part), None if counts is None else sum(counts[p] for p in part))
        for name, part in (("train", split.train), ("validation", split.validation), ("test", split.test))
    }


def what(card: Card) -> str:
    """Dimension, channels, classes and raters, in a line."""
    channels = card.modality[0] if len(card.modality) == 1 else f"{len(card.modality)} channels"
    kind = "colour" if card.modality == ("red", "green", "blue") else channels
    raters = f"; {card.raters} raters" if card.raters > 1 else ""
    return f"{card.spatial_dims}D {kind}: {', '.join(card.classes[1:])}{raters}"


def change(card: Card, variant: str) -> str:
    """What a variant of the card changes, in a line."""
    table = card.variants[variant]
    settings = table.get("virtual", {}).get("settings", {})
    if "about" in table:
        return str(table["about"]).removesuffix(".")
    if "annotation" in table:
        return f"training cases carry the {table['annotation']}s"
    if "classes" in table:
        channels = f"{len(table['modality'])} channels: " if "modality" in table else ""
        return channels + ", ".join(table["classes"][1:])
    if "raters" in table:
        return f"{table['raters']} raters"
    return f"other {', '.join(settings)}" if settings else str(table.get("title", variant))


def size(card: Card) -> str:
    """How much is fetched, or that it is generated."""
    if card.virtual is not None:
        return "generated"
    if not card.size_mb:
        return "not stated"
    return f"{card.size_mb / 1000:.1f} GB" if card.size_mb >= 1000 else f"{card.size_mb:.0f} MB"


def short_licence(card: Card) -> str:
    """The licence's name, without its conditions."""
    return min((card.licence.partition(mark)[0] for mark in ",:;"), key=len)


def cases(card: Card) -> str:
    """How many cases of how many patients."""
    if card.measured is not None:
        return f"{card.measured.cases} cases of {card.measured.patients} patients"
    return f"{card.virtual.subjects} subjects" if card.virtual is not None else NOT_MEASURED


def sizes(card: Card) -> list[tuple[str, str]]:
    """The smallest, the median and the largest image, and the spacing, each with its name."""
    found = card.measured
    if found is None:
        return []
    unit = "voxels" if card.spatial_dims == 3 else "pixels"
    rows = [(f"size in {unit}", _range(found.shape))]
    if found.spacing is None:
        return [*rows, ("spacing", "not given")]
    return [*rows, ("spacing in mm", _range(found.spacing))]


def shares(card: Card) -> list[tuple[str, str, str]]:
    """Each class, its share of the image, and its share of the foreground."""
    if card.measured is None:
        return []
    found, (background, *foreground) = card.measured.shares, card.classes
    inside = sum(found[name] for name in foreground)
    rows = [(name, percent(found[name]), percent(found[name] / inside)) for name in foreground]
    return [(background, percent(found[background]), ""), *rows]


def parts(card: Card, patients: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Each part with its patients and cases; from the files if available, else from what was measured."""
    found = card.measured
    if not patients and found is None:
        return []
    one_each = found is not None and found.patients == found.cases
    counted = part_sizes(card, patients or (found.patients if found else 0))
    return [
        (name, str(n), str(n if whole is None and one_each else "?" if whole is None else whole))
        for name, (n, whole) in counted.items()
    ]


def part_lines(card: Card, patients: dict[str, str] | None = None) -> list[str]:
    """`parts` in words: "train: 8 patients, 8 cases"."""

    def counted(number: str, noun: str) -> str:
        return f"{number} {noun}{'' if number == '1' else 's'}"

    found = parts(card, patients)
    return [f"{name}: {counted(n, 'patient')}, {counted(cases, 'case')}" for name, n, cases in found]


def regions(card: Card) -> list[tuple[str, str]]:
    """Each region and the classes it is made of."""
    return [(name, " + ".join(members)) for name, members in card.regions.items()]


def scored(card: Card) -> str:
    """What is scored, line by line: the classes, or each region with its classes."""
    if card.scored == "classes":
        return ", ".join(card.classes[1:])
    lines = [f"{name} = {members}" for name, members in regions(card)]
    return "\n".join([*lines, "(regions are scored; classes are learnt)"])


def addresses(card: Card) -> list[str]:
    """What is fetched from where, and when that was last seen to work."""
    if card.download is None:
        return []
    urls = [f"{archive.url} ({archive.size_mb:g} MB)" for archive in card.download.archives]
    return [*urls, f"last confirmed: {card.download.confirmed}"]


def percent(share: float) -> str:
    """A share with three significant digits: 0.01234 is 1.23%."""
    return f"{100 * share:.3g}%"


def _spread(values: np.ndarray) -> Spread:
    """The smallest, the median and the largest value of each column."""
    lowest, median, largest = (tuple(map(_rounded, f(values, axis=0))) for f in (np.min, np.median, np.max))
    return lowest, median, largest


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _range(values: Sequence[Sequence[float]]) -> str:
    """`35 x 50 x 36 (axis by axis 31 x 40 x 24 to 43 x 59 x 47)`; one of them where all are equal."""
    lowest, median, largest = (" x ".join(f"{v:g}" for v in row) for row in values)
    return median if lowest == largest else f"{median} (axis by axis {lowest} to {largest})"
