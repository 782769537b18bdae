"""A slice of a scan with the outlines of labels on it: what all pictures of cases are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.show.style import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Box = tuple[slice, slice]
"""Rows and columns of a part of an image."""

Line = tuple[str, Any]
"""Colour and line style of an outline."""

CONTOURS: tuple[Line, ...] = (
    ("#56B4E9", "-"),
    ("#E69F00", (0, (4, 1.2))),
    ("#00E08A", (0, (1, 0.8))),
    ("#F0E442", (0, (4, 1, 1, 1))),
)

LARGE = 400
"""Pixels of the longer edge above which outlines are fine: what they surround is small on the page."""


@dataclass(frozen=True)
class Cut:
    """A 2D image with labels.

    Args:
        image: `(H, W)`, or `(H, W, 3)` in colour.
        labels: by name, each `(H, W)`.
        aspect: the height of a pixel over its width.
        window: the intensities shown as black and as white, the same on all slices of a case.
    """

    image: NDArray
    labels: dict[str, NDArray]
    aspect: float
    window: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Height over width on the page."""
        return float(self.image.shape[0] * self.aspect / self.image.shape[1])


def pictured(case: Case, channel: int | None = None) -> NDArray:
    """What is shown of a case: one channel, `(*S)`, or the colours of a 2D image with three, `(H, W, 3)`.

    Colours go from 0 to 1, each from its 1st to its 99.5th percentile: preprocessing took their balance.

    Args:
        channel: which to show; None for the colours of such an image, and the first channel of others.
    """
    image = case.image.float().cpu().numpy()
    if channel is not None or image.shape[:1] != (3,) or image.ndim != 3:
        return image[channel or 0]
    low, high = np.percentile(image, [1, 99.5], axis=(1, 2), keepdims=True)
    return np.moveaxis(np.clip((image - low) / np.maximum(high - low, 1e-6), 0, 1), 0, -1)


def cut_slice(
    volume: NDArray, labels: Mapping[str, NDArray], spacing: Sequence[float] | None, axis: int, index: int
) -> Cut:
    """One slice of a volume; of its two axes the first runs rightwards and the second upwards.

    So an axial or coronal slice of a volume in RAS order stands upright. A 2D image, or one in colour as
    `pictured` gives it, is given back as it is.
    """
    steps = list(spacing or [1.0] * volume.ndim)
    low, high = np.percentile(volume, [1, 99.5])
    window = float(low), float(max(high, low + 1e-6))
    if volume.ndim == 2 or any(label.ndim == 2 for label in labels.values()):
        return Cut(volume, dict(labels), steps[0] / steps[1], window)
    steps.pop(axis)

    def turned(array: NDArray) -> NDArray:
        return np.ascontiguousarray(array.take(index, axis).T[::-1])

    upright = {name: turned(label) for name, label in labels.items()}
    return Cut(turned(volume), upright, steps[1] / steps[0], window)


def is_marked(labels: NDArray) -> NDArray[np.bool_]:
    """Where labels name a class other than the background; voxels left open (`IGNORE`) name none."""
    return (labels > 0) & (labels != IGNORE)


def per_slice(mask: NDArray, axis: int) -> NDArray[np.intp]:
    """The number of voxels in each slice of a mask `(*S)` across an axis."""
    return np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1).sum(axis=1)


def middle(mask: NDArray, axis: int) -> int:
    """The middle one of the slices with voxels in a mask `(*S)`; of the volume, where it is empty."""
    found = np.flatnonzero(per_slice(mask, axis))
    return int(found[len(found) // 2]) if len(found) else mask.shape[axis] // 2


def square_box(marked: NDArray, spacing: Sequence[float]) -> Box:
    """The box around what is marked, with a quarter more, square in millimetres where the image allows."""
    ends = [np.flatnonzero(marked.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
    longest = max((high - low + 1) * step for (low, high), step in zip(ends, spacing, strict=True))
    side = 1.25 * longest + 4 * max(spacing)
    rows, columns = (
        centred(low, high + 1, int(np.ceil(side / step)), size)
        for (low, high), step, size in zip(ends, spacing, marked.shape, strict=True)
    )
    return rows, columns


def centred(start: int, stop: int, length: int, size: int) -> slice:
    """So many pixels about the middle of start and stop, inside an axis of the given size."""
    length = min(size, length)
    first = int(np.clip((start + stop - length) // 2, 0, size - length))
    return slice(first, first + length)


def panels(rows: Sequence[Sequence[tuple[Cut, str]]], task: Task) -> "tuple[Figure, NDArray]":
    """A figure of panels, with a legend of the classes, and its axes `(rows, columns)`.

    Args:
        rows: for each panel the image and the name of the labels that are outlined. All images of a row have
            the same height on the page, all of a column the same width.
        task: names the classes.
    """
    widths = [1 / cut.ratio for cut, _ in rows[0]]
    heights = [row[0][0].ratio * widths[0] for row in rows]
    inch = 6.6 / max(sum(widths), 2.0)
    fig = canvas(7.0, 0.75 + sum(inch * height + 0.3 for height in heights))
    grid = fig.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths, height_ratios=heights)
    for ax, (cut, name) in zip(grid.flat, chain(*rows), strict=True):
        panel(ax, cut, name, len(task.classes))
    fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
    return fig, grid


def panel(ax: Any, cut: Cut, name: str, n_classes: int) -> None:
    """The image, with the contours of the labels called `name` if there are any."""
    low, high = cut.window
    width = 1.5 if max(cut.image.shape[:2]) <= LARGE else 0.6
    ax.imshow(cut.image, vmin=low, vmax=high, aspect=cut.aspect)
    for k in range(1, n_classes) if name in cut.labels else ():
        outline(ax, cut.labels[name] == k, CONTOURS[(k - 1) % len(CONTOURS)], width)
    ax.set(xlim=(-0.5, cut.image.shape[1] - 0.5), ylim=(cut.image.shape[0] - 0.5, -0.5))
    bare(ax)


def bare(ax: Any) -> None:
    """Leave out the ticks and the frame of an image."""
    ax.set(xticks=[], yticks=[], frame_on=False)


def outline(ax: Any, mask: NDArray, look: Line, width: float, shadow: bool = True) -> None:
    """The border of a mask; a shadow sets it off the image."""
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.transforms import Affine2D

    if not mask.any():
        return
    colour, line = look
    lines = ax.contour(np.pad(mask, 1), [0.5], colors=[colour], linestyles=[line], linewidths=width)
    if shadow:
        lines.set_path_effects([Stroke(linewidth=width + 0.8, foreground="black", alpha=0.5), Normal()])
    # Padding closes contours at the border, and moves them by one pixel.
    lines.set_transform(Affine2D().translate(-1, -1) + ax.transData)


def painted(ax: Any, mask: NDArray[np.bool_], colour: str, alpha: float = 1.0) -> None:
    """The pixels of a mask (H, W) in one colour, over the image that the panel shows."""
    from matplotlib.colors import to_rgb

    pixels = np.zeros((*mask.shape, 4))
    pixels[..., :3], pixels[..., 3] = to_rgb(colour), alpha * mask
    ax.imshow(pixels, aspect=ax.get_aspect())


def small_title(ax: Any, text: str) -> None:
    """A panel's title, in the size of a caption."""
    ax.set_title(text, fontsize=9, fontweight="normal", loc="center")


def handles(task: Task) -> list[Any]:
    """Legend entries of the foreground classes."""
    return line_handles(task.foreground)


def line_handles(names: Iterable[str], looks: Sequence[Line] = CONTOURS) -> list[Any]:
    """Legend entries of outlines, in the order of their looks."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=colour, ls=line, linewidth=2.2, label=name)
        for name, (colour, line) in zip(names, cycle(looks), strict=False)
    ]


def in_rows(*rows: Sequence[Any]) -> dict[str, Any]:
    """Legend entries row by row, as arguments of `legend`: matplotlib fills it column by column."""
    from matplotlib.lines import Line2D

    length = max(len(row) for row in rows)
    blank = Line2D([], [], linestyle="none", label=" ")
    filled = [[*row, *[blank] * (length - len(row))] for row in rows]
    return {"handles": [entry for column in zip(*filled, strict=True) for entry in column], "ncols": length}
