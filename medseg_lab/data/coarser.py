"""A cohort of coarser images, for what is to prove that it runs and compares nothing."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import ceil, prod
from operator import truediv

from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.fingerprint import case_digest, fingerprint

SHORT = 32
"""An edge of no more voxels keeps them all, such as that across thick slices."""
PATCH = 40
"""No edge of a patch becomes shorter, since a network halves it several times."""


def coarser(cohort: Cohort, voxels: int = 100_000) -> Cohort:
    """The same cases, split alike, with every k-th voxel along long edges: none has more than `voxels`.

    Labels are thinned like images, so that each voxel keeps its own; a voxel is k times as long. All cases
    have the same k, whoever's labels are used; where it is 1, the cohort itself is returned. The cases are in
    memory.
    """
    named = ("labelled", "unlabelled", "validation")
    parts = {name: getattr(cohort, name) for name in named} | {"test": cohort.sealed()}
    shapes = [case.image.shape[1:] for of in parts.values() for case in of]
    steps = _steps([max(edges) for edges in zip(*shapes, strict=True)], voxels)
    if max(steps) == 1:
        return cohort
    parts = {name: tuple(_thinned(case, steps) for case in of) for name, of in parts.items()}
    digests = {name: [case_digest(case) for case in of] for name, of in parts.items()}
    how = cohort.card.preprocessing
    smaller = {"patch": _patch(how.patch, steps)}
    if how.slice_patch:
        in_slice = [step for axis, step in enumerate(steps) if axis != how.slice_axis]
        smaller["slice_patch"] = _patch(how.slice_patch, in_slice)
    card = cohort.card.model_copy(update={"preprocessing": how.model_copy(update=smaller)})
    return replace(
        cohort,
        card=card,
        **{name: parts[name] for name in named},
        fingerprint=fingerprint(card, digests),
        held_out=fingerprint(card, {name: digests[name] for name in ("validation", "test")}),
        sealed=partial(tuple, parts["test"]),
        thinned=steps,
        notes=(*cohort.notes, f"Coarser than the data are: of every {max(steps)} voxels along an edge, one."),
    )


def _steps(edges: Sequence[int], voxels: int) -> tuple[int, ...]:
    """For each axis, of how many voxels one is kept: 1, or the same number along all long edges."""
    for k in count(1):
        steps = tuple(k if edge > SHORT else 1 for edge in edges)
        if prod(map(ceil, map(truediv, edges, steps))) <= voxels or k > max(edges):
            break
    return steps


def _thinned(case: Case, steps: Sequence[int]) -> Case:
    cut = (slice(None), *(slice(None, None, step) for step in steps))
    known = case.distribution
    spacing = case.spacing and tuple(edge * step for edge, step in zip(case.spacing, steps, strict=True))
    return Case(
        case.id,
        case.patient,
        case.image[cut].contiguous(),
        case.labels[cut].contiguous(),
        spacing,
        None if known is None else known[cut].contiguous(),
    )


def _patch(edges: Sequence[int], steps: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(ceil(edge / step), min(edge, PATCH)) for edge, step in zip(edges, steps, strict=True))
