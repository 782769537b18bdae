"""One case from all sides: three planes through it, and its slices one by one."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import cut_slice, handles, panel, pictured, small_title
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANES = ("sagittal", "coronal", "axial")
"""What the axes of a volume in RAS order are cut into."""


def planes(case: Case, task: Task, *, channel: int | None = None) -> "Figure":
    """The image above, and below it the outlines of the reference: a volume in three planes, a slice in one.

    The planes go through the middle of what the reference marks.
    """
    volume, label = _arrays(case, channel)
    solid = label.ndim == 3
    axes = range(3) if solid else range(1)
    cuts = [
        cut_slice(volume, {"reference": label}, case.spacing, axis, _centre(label, axis)) for axis in axes
    ]
    with house():
        widths = [cut.image.shape[1] / (cut.image.shape[0] * cut.aspect) for cut in cuts]
        fig = canvas(7.0, 2 * 6.6 / max(sum(widths), 2.0) + 0.8)
        grid = fig.subplots(2, len(cuts), squeeze=False, width_ratios=widths)
        for column, (axis, cut) in enumerate(zip(axes, cuts, strict=True)):
            panel(grid[0][column], cut, "image", len(task.classes))
            panel(grid[1][column], cut, "reference", len(task.classes))
            small_title(grid[0][column], PLANES[axis] if solid else "image")
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        where = "One slice" if not solid else "Sagittal, coronal and axial slices"
        outlined = ", ".join(task.foreground)
        fig.set_label(f"{where} of case {case.id}; below, the outlines of the reference: {outlined}.")
    return fig


def slicer(
    case: Case,
    predictions: Mapping[str, NDArray[np.integer]],
    task: Task,
    *,
    axis: int = 2,
    channel: int | None = None,
) -> Callable[[int], "Figure"]:
    """A function that draws one slice of a volume: the reference beside each method's outlines.

    Made for `medseg_lab.show.explorer.explore(slicer(...), slice=slices(case, axis))`.

    Args:
        case: with a reference label.
        predictions: a method's name to its classes `(*S)` on this case.
        task: names the classes.
        axis: across which the volume is cut; a case of two dimensions has one slice, 0.
        channel: of the image; by default the first, or the colours of a photograph.
    """
    volume, label = _arrays(case, channel)
    labels = {"reference": label, **predictions}

    def draw(slice: int) -> "Figure":
        cut = cut_slice(volume, labels, case.spacing, axis, slice)
        with house():
            height = cut.image.shape[0] * cut.aspect / cut.image.shape[1] * 6.8 / len(labels)
            fig = canvas(7.0, height + 0.75)
            for ax, name in zip(fig.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
                panel(ax, cut, name, len(task.classes))
                small_title(ax, name)
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(f"Slice {slice} of case {case.id} with the outlines of {', '.join(labels)}.")
        return fig

    return draw


def slices(case: Case, axis: int = 2, most: int = 24) -> list[int]:
    """The slices on which the reference marks something, at most so many, evenly spread."""
    label = case.label.cpu().numpy()
    if label.ndim == 2:
        return [0]
    marked = np.flatnonzero(np.moveaxis(label, axis, 0).reshape(label.shape[axis], -1).any(axis=1))
    if not len(marked):
        return [label.shape[axis] // 2]
    chosen = np.linspace(marked[0], marked[-1], min(most, marked[-1] - marked[0] + 1))
    return sorted({round(float(index)) for index in chosen})


def _arrays(case: Case, channel: int | None) -> tuple[NDArray, NDArray]:
    return pictured(case, channel), case.label.cpu().numpy()


def _centre(label: NDArray, axis: int) -> int:
    """The middle of what is marked, along an axis."""
    marked = np.flatnonzero(np.moveaxis(label, axis, 0).reshape(label.shape[axis], -1).any(axis=1))
    return int(marked[len(marked) // 2]) if len(marked) else label.shape[axis] // 2
