"""What post-processing changed in one case: which voxels it made right, and which wrong (survey 2.3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import (
    Cut,
    cut_slice,
    handles,
    in_rows,
    is_marked,
    painted,
    panels,
    per_slice,
    pictured,
    small_title,
    square_box,
)
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG, OTHER = "#009E73", "#D55E00", "#CC79A7"
"""Colours of voxels that were made right, made wrong, and moved from one wrong class to another."""
NAMES = {RIGHT: "made right", WRONG: "made wrong", OTHER: "wrong before and after"}


def before_and_after(
    case: Case,
    before: NDArray,
    after: Mapping[str, NDArray],
    task: Task,
    *,
    slice_axis: int = 2,
    index: int | None = None,
    channel: int | None = None,
) -> "Figure":
    """A slice of a case: the reference, the prediction, and the prediction after each step.

    Voxels that a step moved to another class are painted in the colour of what became of them; their numbers,
    in the title of a panel, are those of the whole case. Voxels that the reference leaves open are not
    counted.

    Args:
        case: with its reference.
        before: classes `(*S)`, as predicted.
        after: the same after a step, by the name of the step.
        task: names the classes.
        slice_axis: across which a volume is cut.
        index: of the slice; None for the one in which most was changed.
        channel: of the image; None for the first, or the colours of a photograph.
    """
    label = case.label.cpu().numpy()
    kinds = {name: outcome(before, found, label) for name, found in after.items()}
    maps = {"reference": label, "predicted": before, **after}
    painting = {f"changed by {name}": kind for name, kind in kinds.items()}
    if index is None and label.ndim == 3:
        index = _most(list(kinds.values()), label, slice_axis)
    cut = cut_slice(pictured(case, channel), {**maps, **painting}, case.spacing, slice_axis, index or 0)
    cut = _near(cut, list(maps))
    with house():
        fig, (axes,) = panels([[(cut, name) for name in maps]], task)
        for ax, name in zip(axes, maps, strict=True):
            short = fill(name, 80 // len(maps))  # panels are narrower where there are more of them
            small_title(ax, f"{short}\n{_counts(kinds[name])}" if name in kinds else short)
            if name in kinds:
                for number, colour in enumerate(NAMES, start=1):
                    painted(ax, cut.labels[f"changed by {name}"] == number, colour, 0.75)
        for old in fig.legends:
            old.remove()
        fig.set_figheight(fig.get_figheight() + 0.5)  # titles have three lines, the legend two
        fig.legend(**in_rows(handles(task), _patches(kinds)), loc="outside lower center")
        said = "; ".join(f"{name}: {_counts(kind)}" for name, kind in kinds.items())
        where = f"slice {index} of case {case.id}" if label.ndim == 3 else f"case {case.id}"
        fig.set_label(f"Reference and prediction, and the prediction after each step, in {where}. {said}.")
    return fig


def outcome(before: NDArray, after: NDArray, label: NDArray) -> NDArray[np.uint8]:
    """What became of each voxel `(*S)`.

    Returns:
        0 where nothing changed or the reference is open, 1 for made right, 2 for made wrong, and 3 for moved
        from one wrong class to another.
    """
    found = np.full(label.shape, 3, dtype=np.uint8)
    found[after == label] = 1
    found[before == label] = 2
    found[(before == after) | (label == IGNORE)] = 0
    return found


def _counts(kind: NDArray) -> str:
    right, wrong = (int((kind == number).sum()) for number in (1, 2))
    return f"{right:,} right, {wrong:,} wrong"


def _most(kinds: Sequence[NDArray], label: NDArray, axis: int) -> int:
    """The slice in which most was changed; where nothing was, that with most of the reference."""
    changed = sum(per_slice(kind > 0, axis) for kind in kinds)
    return int(np.argmax(changed if np.any(changed) else per_slice(is_marked(label), axis)))


def _near(cut: Cut, names: list[str]) -> Cut:
    """The part of a slice that any of the labels marks."""
    marked = np.any([is_marked(cut.labels[name]) for name in names], axis=0)
    if not marked.any():
        return cut
    box = square_box(marked, [cut.aspect, 1.0])
    return replace(cut, image=cut.image[box], labels={name: label[box] for name, label in cut.labels.items()})


def _patches(kinds: Mapping[str, NDArray]) -> list[Any]:
    """Legend entries of the colours that occur; of the first two always."""
    from matplotlib.patches import Patch

    there = {1, 2} | {int(number) for kind in kinds.values() for number in np.unique(kind)}
    colours = [colour for number, colour in enumerate(NAMES, start=1) if number in there]
    return [Patch(color=colour, label=NAMES[colour]) for colour in colours]
