"""How a cascade narrows a case, step by step (survey 2.1.4, figure 8), and how its errors propagate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import (
    CONTOURS,
    cut_slice,
    line_handles,
    outline,
    panel,
    per_slice,
    pictured,
    small_title,
)
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Box = tuple[slice, ...]
TRUE = ("#FFFFFF", (0, (1, 1)))
BOX = ("#D55E00", "-")


class Narrowed(Protocol):
    """What is drawn of a case (`medseg_lab.nested.narrowing.Narrowing`)."""

    @property
    def case(self) -> Case:
        """With its reference."""

    @property
    def found(self) -> NDArray:
        """Classes `(*S)`."""

    @property
    def boxes(self) -> tuple[Box | None, ...]:
        """Where each step but the first looked."""


def cascade_steps(
    one: Narrowed, task: Task, names: Sequence[str], *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """One slice of a case as each step saw it, and the result.

    A panel for each step: what it read, the region that it found, the true one, and the box that it hands on.
    All panels show the same slice: of those in the last box, the one with most of the true innermost region.

    Args:
        one: the case, narrowed.
        task: whose nested regions they are.
        names: of the regions, outermost first.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.
    """
    case, label = one.case, one.case.label.cpu().numpy()
    image = pictured(case, channel)
    whole = tuple(slice(0, size) for size in label.shape)
    looks = [CONTOURS[(region[0] - 1) % len(CONTOURS)] for region in task.nested]
    reads: list[Box | None] = [whole, *one.boxes]
    index = _slice(label, task, [box for box in reads if box is not None][-1], slice_axis)
    with house():
        fig = canvas(7.0, 2.7 if len(reads) < 4 else 2.3)
        *steps, last = np.atleast_1d(fig.subplots(1, len(reads) + 1))
        for level, (ax, box, name) in enumerate(zip(steps, reads, names, strict=True)):
            small_title(ax, f"step {level + 1}:\n{name}")
            if box is None:
                ax.set(xticks=[], yticks=[], frame_on=False)
                ax.text(0.5, 0.5, "nothing\nto look into", ha="center", va="center", transform=ax.transAxes)
                continue
            region = task.nested[level]
            maps = {"found": np.isin(one.found, region), "true": np.isin(label, region)}
            if level < len(one.boxes):
                maps["box"] = _marked(one.boxes[level], label.shape)
            _cut_panel(ax, image, maps, case, box, slice_axis, index, looks[level])
        for region, way in zip(task.nested, looks, strict=True):
            maps = {"found": np.isin(one.found, region)}
            _cut_panel(last, image, maps, case, whole, slice_axis, index, way)
        small_title(last, "result:\nall regions")
        legend = line_handles([*names, "box handed on"], [*looks, BOX])
        fig.legend(handles=[*legend, _white()], loc="outside lower center", ncols=3)
        fig.set_label(f"Case {case.id}, as each step of the cascade saw it: {_said(one, names)}.")
    return fig


def propagation(
    cases: Mapping[str, Sequence[tuple[float, float]]], shifts: Mapping[str, Mapping[int, float]]
) -> "Figure":
    """How an error of the first step reaches the region inside.

    Args:
        cases: by the kind of boxes, a point for each case: the overlap (IoU) of the first box with the true
            one, and the Dice of the region inside.
        shifts: by a name, the mean at each shift of the true boxes, in voxels.
    """
    with house():
        fig = canvas(7.0, 3.3)
        left, right = fig.subplots(1, 2)
        for number, (name, points) in enumerate(cases.items()):
            style = look(number)
            x, y = np.array(list(points)).reshape(-1, 2).T
            left.plot(x, y, style.marker, color=style.colour, label=name, markersize=5)
        left.set(xlabel="overlap of box 1 with the true one", ylabel="Dice of the region inside")
        for number, (name, means) in enumerate(shifts.items()):
            style = look(number + len(cases))
            right.plot(list(means), list(means.values()), color=style.colour, marker=style.marker, label=name)
        right.set(xlabel="shift of the true boxes (voxels)", ylabel="mean over cases")
        for ax in (left, right):
            ax.set_ylim(-0.05, 1.05)
            ax.legend(loc="lower left")
        said = "; ".join(
            f"{name}: " + ", ".join(f"{value:.2f} at {shift}" for shift, value in means.items())
            for name, means in shifts.items()
        )
        fig.set_label(
            f"Left: for each case, the Dice of the inner region against the overlap of the first box. Right, "
            f"by the shift of the true boxes in voxels: {said}."
        )
    return fig


def _slice(label: NDArray, task: Task, box: Box, axis: int) -> int:
    """The slice to show: inside the last box, where the innermost true region is largest."""
    if label.ndim == 2:
        return 0
    inside = box[axis]
    for region in reversed(task.nested):
        counts = per_slice(np.isin(label, region), axis)[inside]
        if counts.any():
            return int(inside.start + counts.argmax())
    return (inside.start + inside.stop) // 2


def _marked(box: Box | None, shape: Sequence[int]) -> NDArray[np.bool_]:
    """The voxels of a box, `(*S)`."""
    found = np.zeros(shape, dtype=bool)
    if box is not None:
        found[box] = True
    return found


def _cut_panel(
    ax: Any,
    image: NDArray,
    maps: Mapping[str, NDArray],
    case: Case,
    box: Box,
    axis: int,
    index: int,
    found: Any,
) -> None:
    """One slice of the image in a box, with the outlines of its maps."""
    volume = len(box) == 3
    at = index - box[axis].start if volume else 0
    cut = cut_slice(image[box], {name: map_[box] for name, map_ in maps.items()}, case.spacing, axis, at)
    panel(ax, cut, "", 0)
    if "true" in cut.labels:
        outline(ax, cut.labels["true"], TRUE, 1.0, shadow=False)
    if "found" in cut.labels:
        outline(ax, cut.labels["found"], found, 1.4)
    if "box" in cut.labels:
        outline(ax, cut.labels["box"], BOX, 1.6)


def _white() -> Any:
    """The legend's entry of the reference, which is white on the image: dotted and grey on the page."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="#888888", ls=TRUE[1], linewidth=1.6, label="reference (white)")


def _said(one: Narrowed, names: Sequence[str]) -> str:
    """The boxes in words: "whole tumour in the whole image, tumour core in 30 x 28 x 20 voxels"."""
    read = ["the whole image"]
    read += [
        "nothing" if box is None else " x ".join(str(s.stop - s.start) for s in box) + " voxels"
        for box in one.boxes
    ]
    return ", ".join(f"{name} in {where}" for name, where in zip(names, read, strict=True))
