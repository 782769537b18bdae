"""One case from all sides: three planes through it, and its slices one by one."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import cut_slice, is_marked, middle, panels, per_slice, pictured, small_title
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANES = ("sagittal", "coronal", "axial")
"""What the axes of a volume in RAS order are cut into."""


def planes(
    case: Case,
    task: Task,
    *,
    channel: int | None = None,
    titles: Sequence[str] = PLANES,
    spacing: Sequence[float] | None = None,
) -> "Figure":
    """The image above, and below it the outlines of the reference: a volume in three planes, a slice in one.

    The planes go through the middle of what the reference marks.

    Args:
        case: with a reference label.
        task: names the classes.
        channel: of the image; by default the first, or the colours of a photograph.
        titles: of the planes across the three axes, where these are not those of the body.
        spacing: to draw with, where the case has lost its own.
    """
    image, label = pictured(case, channel), case.label.cpu().numpy()
    solid = label.ndim == 3
    titles = titles if solid else ("image",)
    where = f"Slices ({', '.join(titles)})" if solid else "One slice"
    cuts = [
        cut_slice(image, {"reference": label}, spacing or case.spacing, axis, middle(is_marked(label), axis))
        for axis in range(len(titles))
    ]
    with house():
        fig, grid = panels([[(cut, name) for cut in cuts] for name in ("image", "reference")], task)
        for ax, title in zip(grid[0], titles, strict=True):
            small_title(ax, title)
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
    image, labels = pictured(case, channel), {"reference": case.label.cpu().numpy(), **predictions}

    def draw(slice: int) -> "Figure":
        cut = cut_slice(image, labels, case.spacing, axis, slice)
        with house():
            fig, (axes,) = panels([[(cut, name) for name in labels]], task)
            for ax, name in zip(axes, labels, strict=True):
                small_title(ax, name)
            fig.set_label(f"Slice {slice} of case {case.id} with the outlines of {', '.join(labels)}.")
        return fig

    return draw


def slices(case: Case, axis: int = 2, most: int = 24) -> list[int]:
    """The slices on which the reference marks something, at most so many, evenly spread."""
    mask = is_marked(case.label.cpu().numpy())
    if mask.ndim == 2:
        return [0]
    found = np.flatnonzero(per_slice(mask, axis))
    if not len(found):
        return [mask.shape[axis] // 2]
    chosen = np.linspace(found[0], found[-1], min(most, found[-1] - found[0] + 1))
    return sorted({round(float(index)) for index in chosen})
