"""What can be asked for: slices or patients of a pool, and what a learner is given of those asked for."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.anchors import beyond
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.splits import shuffled

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

WHOLE = -1
"""In place of a slice: all of a case."""


class Unit(NamedTuple):
    """Something that is labelled at once.

    Attributes:
        case: which case of the pool; the first of a patient who is labelled whole.
        slice: which of its slices, or `WHOLE`.
    """

    case: int
    slice: int


def pool_of(cohort: "Cohort", patients: int) -> tuple[Case, ...]:
    """The cases of so many labelled patients, of as many as there are at most.

    They are the patients whose labels are used where the cohort is loaded with so few labelled ones.
    """
    order = list(dict.fromkeys(case.patient for case in cohort.labelled))
    kept = set((shuffled(order, f"draw {cohort.draw}") if cohort.draw else order)[:patients])
    return tuple(case for case in cohort.labelled if case.patient in kept)


def units_of(pool: Sequence[Case], axis: int | None, every: int) -> list[Unit]:
    """All that can be asked for: of each volume one slice in so many, or, with no axis, each patient."""
    if axis is None:
        first = {case.patient: i for i, case in reversed([*enumerate(pool)])}
        return [Unit(i, WHOLE) for i in sorted(first.values())]
    return [
        Unit(i, s)
        for i, case in enumerate(pool)
        for s in range((every - 1) // 2, case.image.shape[axis + 1], every)
    ]


def whose(pool: Sequence[Case], unit: Unit) -> list[Case]:
    """The cases that a unit is of: of a whole patient all, of a slice the one."""
    case = pool[unit.case]
    return [each for each in pool if each.patient == case.patient] if unit.slice == WHOLE else [case]


def scores_of(
    units: Sequence[Unit], pool: Sequence[Case], axis: int | None, worth: Callable[[Tensor], Tensor]
) -> dict[Unit, float]:
    """The score of each unit: the sum of what its voxels are worth.

    Args:
        units: of the pool.
        worth: from an image `(C, *S)` to a value of each voxel, `(*S)`. It sees the slices of one volume
            together, without the others, and no label.
    """
    found: dict[Unit, float] = {}
    for number in dict.fromkeys(unit.case for unit in units):
        mine = [unit for unit in units if unit.case == number]
        maps = [worth(cut(case.image, [u.slice for u in mine], axis)) for case in whose(pool, mine[0])]
        if axis is None:
            found[mine[0]] = sum(float(one.sum()) for one in maps)
        else:
            found |= zip(mine, maps[0].movedim(axis, 0).flatten(1).sum(dim=1).tolist(), strict=True)
    return found


def labels_of(pool: Sequence[Case], unit: Unit, axis: int | None) -> list[Tensor]:
    """The readings `(R, *S)` of a unit, one of each of its cases."""
    return [cut(case.labels, [unit.slice], axis) for case in whose(pool, unit)]


def cut(volume: Tensor, slices: Sequence[int], axis: int | None) -> Tensor:
    """These slices of `(C, *S)`, stacked along `axis` of S in the same order; all of it for `WHOLE`."""
    if axis is None or WHOLE in slices:
        return volume
    return volume.index_select(axis + 1, torch.tensor(slices, device=volume.device))


def foreground(labels: Tensor) -> bool:
    """Whether any reading `(R, *S)` shows a foreground class."""
    return bool(((labels > 0) & (labels != IGNORE)).any())


def stack(cases: Sequence[Case], units: Sequence[Unit], axis: int) -> Case:
    """Slices of several volumes as one volume, in the order of the units, without any other voxel.

    Then every slice is met as often as any other, and half of the patches lie on foreground, as in training
    on whole volumes (`data.pool`). Smaller slices are padded with what lies beyond a case: an image of 0 and
    background, or `IGNORE` where a case has voxels that nobody annotated.
    """
    images = [cut(cases[unit.case].image, [unit.slice], axis) for unit in units]
    labels = [cut(cases[unit.case].labels, [unit.slice], axis) for unit in units]
    outside = [beyond(cases[unit.case].labels) for unit in units]
    shape = [max(edges) for edges in zip(*(image.shape[1:] for image in images), strict=True)]
    spacings = [cases[unit.case].spacing for unit in units]
    known = [spacing for spacing in spacings if spacing is not None]
    return Case(
        "asked for",
        "asked for",
        torch.cat([padded(image, shape, axis, 0.0) for image in images], dim=axis + 1),
        torch.cat(
            [padded(each, shape, axis, fill) for each, fill in zip(labels, outside, strict=True)],
            dim=axis + 1,
        ),
        tuple(map(median, zip(*known, strict=True))) if len(known) == len(spacings) else None,
    )


def padded(slab: Tensor, shape: Sequence[int], axis: int, fill: float) -> Tensor:
    """A slab `(C, *S)` grown to `shape`, except along `axis` of S, at the far end of each axis."""
    missing = [0 if i == axis else edge - slab.shape[i + 1] for i, edge in enumerate(shape)]
    return F.pad(slab, [n for edge in reversed(missing) for n in (0, edge)], value=fill)


def marked(cases: Sequence[Case], units: Sequence[Unit], axis: int) -> tuple[Case, ...]:
    """The volumes of the units, for learners of volumes: all but the slices asked for is `IGNORE`."""
    found = []
    for i in dict.fromkeys(unit.case for unit in units):
        labels = torch.full_like(cases[i].labels, IGNORE)
        for unit in units:
            if unit.case == i:
                labels.select(axis + 1, unit.slice).copy_(cases[i].labels.select(axis + 1, unit.slice))
        case = cases[i]
        found.append(Case(case.id, case.patient, case.image, labels, case.spacing))
    return tuple(found)
