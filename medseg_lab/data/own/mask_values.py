"""Which classes the values in masks stand for: proposed from all masks of a data set, to be checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE
from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.decode.volume import NIFTI, ending_of, read_mask
from medseg_lab.data.readers.read_each import readable
from medseg_lab.data.readers.reader import FileReader, Reader

MOST = 32
"""Masks of more values than this are taken for numbered objects or smoothed edges, not for classes."""

FIRST = 5
"""So many volumes are looked at first."""


@dataclass(frozen=True)
class Meaning:
    """A proposal.

    Args:
        values: what masks store for the classes, background first; empty where that is 0, 1, ...
        classes: how many.
        unknown: the value where nobody annotated, if there seems to be one.
        doubts: what a person should check: where, and what.
    """

    values: tuple[int, ...]
    classes: int
    unknown: int | None = None
    doubts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Stored:
    """What one mask stores: its values, those that fill a square or cube of 3 pixels somewhere, its grid."""

    values: frozenset[int]
    filled: frozenset[int]
    grid: Grid


def stored(masks: Iterable[Path]) -> dict[Path, Stored]:
    """What each mask stores; of one bit a pixel nothing, since that is what it means.

    Raises:
        ValueError: if no mask can be read: the first reason. A single one that cannot is left out.
    """
    return readable(masks, _stored)


def _stored(path: Path) -> Stored:
    volume = read_mask(path)
    label = volume.voxels[0]
    if label.dtype == bool:
        return Stored(frozenset(), frozenset(), volume.grid)
    values = np.unique(label)
    if not (values == np.round(values)).all():
        raise ValueError(f"{path}: expected whole numbers, got {values[:10].tolist()}")
    if len(values) < 3 or (values == np.arange(len(values))).all():
        return Stored(_ints(values), _ints(values), volume.grid)
    inside = ndimage.maximum_filter(label, 3) == ndimage.minimum_filter(label, 3)
    return Stored(_ints(values), _ints(np.unique(label[inside])), volume.grid)


def meaning_of(masks: Mapping[Path, Stored]) -> Meaning:
    """What the values of all masks of a data set seem to mean.

    0, 1, ... are classes as they are. 255 beside them is taken for what nobody annotated. Any other values
    are classes in their order, the lowest being the background.

    Raises:
        ValueError: naming a mask: values as smoothed edges have them, of numbered objects, of two kinds of
            masks, or a single one.
    """
    values = sorted(set[int]().union(*(each.values for each in masks.values()))) or [0, 1]
    first = next(iter(masks))
    if len(values) == 1:
        raise ValueError(f"{first}: expected a background and a class at least, got {values[0]} in all masks")
    if values == list(range(len(values))) and len(values) <= MOST:
        return Meaning((), len(values), doubts=_numbered(masks, len(values)))
    _refuse_edges(masks, values)
    if len(values) > MOST:
        path = max(masks, key=lambda mask: len(masks[mask].values))
        raise ValueError(
            f"{path}: expected at most {MOST} values, one a class, got {len(values)} in all masks, up to "
            f"{values[-1]}: are objects numbered? then store one value for all objects of a class"
        )
    if values[:-1] == list(range(len(values) - 1)) and values[-1] == IGNORE and len(values) > 2:
        return _with_unknown(masks, len(values) - 1)
    return Meaning(tuple(values), len(values))


def said(values: Sequence[int], classes: Sequence[str]) -> list[tuple[str, str]]:
    """Which values are taken as which classes: where, and what; nothing where there are none."""
    if not values:
        return []
    stand, names = (_and(list(map(str, words))) for words in (values, classes))
    return [("all masks", f"masks store {stand}: taken as {names}; see `values` in the card")]


def file_values(reader: Reader, card: Card) -> tuple[int, ...]:
    """What the masks of a folder store for the card's classes (`for_classes`).

    Volumes are large: all are looked at where one of the first stores other values than 0, 1, ...
    """
    files = reader.files.values() if isinstance(reader, FileReader) else ()
    masks = [path for case in files for path in case.labels]
    classes, unknown = len(card.classes), getattr(reader, "unknown", None)
    try:
        if all(ending_of(path.name) in (None, *NIFTI) for path in masks[:FIRST]):
            first = set[int]().union(*(each.values for each in stored(masks[:FIRST]).values()))
            if first - {unknown} <= set(range(classes)):
                return ()
        looked = stored(masks)
    except ValueError:
        return ()  # whoever reads the cases is told why
    return for_classes(looked, classes, unknown)


def for_classes(masks: Mapping[Path, Stored], classes: int, unknown: int | None) -> tuple[int, ...]:
    """The values of masks for classes that are known by number; empty where they are 0, 1, ... or unclear.

    They are clear where there is one value for each class, and none that would mean another class as it is.
    """
    values = set[int]().union(*(each.values for each in masks.values())) - {unknown}
    if values <= set(range(classes)):
        return ()
    if 2 * len(_edges(masks, sorted(values))) > len(values):
        _refuse_edges(masks, sorted(values))
    return () if len(values) != classes or values & set(range(1, classes)) else tuple(sorted(values))


def _refuse_edges(masks: Mapping[Path, Stored], values: list[int]) -> None:
    """Refuse values that are nowhere more than an edge: a mask was smoothed, or resized by interpolation."""
    if edges := _edges(masks, values):
        path = next(path for path, each in masks.items() if each.values & set(edges))
        some = ", ".join(map(str, edges[:5])) + (", ..." if len(edges) > 5 else "")
        raise ValueError(
            f"{path}: expected one value per class, got {some} only along edges, as smoothing or "
            "resizing leaves them; save masks without smoothing, and resize them by nearest neighbour"
        )


def _edges(masks: Mapping[Path, Stored], values: list[int]) -> list[int]:
    filled = set[int]().union(*(each.filled for each in masks.values()))
    return [value for value in values[1:-1] if value not in filled]


def _with_unknown(masks: Mapping[Path, Stored], classes: int) -> Meaning:
    with_it = [path for path, each in masks.items() if IGNORE in each.values]
    others = [path for path, each in masks.items() if each.values & set(range(1, classes))]
    if not set(with_it) & set(others):
        raise ValueError(
            f"{with_it[0]}: expected the values of the other masks, got {IGNORE}, where {others[0].name} has "
            f"{max(masks[others[0]].values)}; use the same values in all masks"
        )
    doubt = (
        f"masks store {IGNORE} besides 0 to {classes - 1}: taken as not annotated; see `unknown` in the card"
    )
    return Meaning((), classes, IGNORE, (("all masks", doubt),))


def _numbered(masks: Mapping[Path, Stored], classes: int) -> tuple[tuple[str, str], ...]:
    """A doubt where the values of each mask go from 0 to some number without a gap, as object numbers do."""
    gapless = all(each.values == set(range(len(each.values))) for each in masks.values())
    if classes <= 3 or not gapless or len({len(each.values) for each in masks.values()}) < 3:
        return ()
    doubt = f"masks store 0 to {classes - 1}, in each without a gap: if they number objects, write 1 for all"
    return (("all masks", doubt),)


def _and(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _ints(values: np.ndarray) -> frozenset[int]:
    return frozenset(int(value) for value in values)
