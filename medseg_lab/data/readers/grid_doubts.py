"""Cases whose grid is unlike that of the other cases of their set, or contradicts itself."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from medseg_lab.data.readers.decode.grid import Grid
from medseg_lab.data.readers.geometry import AGREE, canonical_grid, is_flat, smallest_edge
from medseg_lab.data.wording import some

THICK = 1.5
"""A volume has thick slices if its largest spacing is so many times the next one."""


def grid_doubts(grids: Mapping[str, Grid]) -> tuple[tuple[str, str], ...]:
    """What a person should look at, by cases: slices among volumes, axes that run or are cut another way."""
    return (*_flat_ones(grids), *_cut_otherwise(grids), *_contradictory(grids), *_not_oriented(grids))


def coarsest(spacing: np.ndarray) -> int:
    """The axis of the largest spacing; the last of equals."""
    return int(len(spacing) - 1 - np.argmax(np.round(spacing[::-1], 3)))


def _flat_ones(grids: Mapping[str, Grid]) -> Iterator[tuple[str, str]]:
    flat = [case for case, grid in grids.items() if is_flat(grid)]
    if 0 < len(flat) < len(grids):
        yield some(flat), f"one slice each ({len(flat)} of {len(grids)} cases), where the others are volumes"


def _cut_otherwise(grids: Mapping[str, Grid]) -> Iterator[tuple[str, str]]:
    """Volumes of thick slices, some axial and some sagittal: slices of a set are all cut across one axis."""
    across = {}
    for case, grid in grids.items():
        spacing = canonical_grid(grid).spacing
        if spacing is not None and len(spacing) == 3 and 1 not in grid.shape:
            low, high = sorted(spacing)[1:]
            across[case] = coarsest(np.array(spacing)) if high >= THICK * low else None
    common = Counter(axis for axis in across.values() if axis is not None).most_common(1)
    for axis, _ in common:
        other = [case for case, found in across.items() if found not in (None, axis)]
        if other:
            yield some(other), f"slices are thick along another axis than axis {axis}, as in the other cases"


def _contradictory(grids: Mapping[str, Grid]) -> Iterator[tuple[str, str]]:
    apart = {
        c: g.apart for c, g in grids.items() if g.affine is not None and g.apart > AGREE * smallest_edge(g)
    }
    if apart:
        yield some(apart), f"sform and qform differ by up to {max(apart.values()):.3g} mm: sform is used"


def _not_oriented(grids: Mapping[str, Grid]) -> Iterator[tuple[str, str]]:
    silent = [case for case, grid in grids.items() if not grid.oriented]
    if 0 < len(silent) < len(grids):
        what = "the headers do not say which way the axes run, as those of other cases do"
        yield some(silent), f"{what}: the first is taken to run to the left (sform and qform have code 0)"
