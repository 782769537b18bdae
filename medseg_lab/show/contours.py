"""A slice of a scan with the outlines of labels on it: what all pictures of cases are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task

CONTOURS = (
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


def square_box(marked: NDArray, spacing: Sequence[float]) -> tuple[slice, slice]:
    """The box around what is marked, with a quarter more, square in millimetres where the image allows."""
    ends = [np.flatnonzero(marked.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
    longest = max((high - low + 1) * step for (low, high), step in zip(ends, spacing, strict=True))
    side = 1.25 * longest + 4 * max(spacing)
    box = []
    for (low, high), step, size in zip(ends, spacing, marked.shape, strict=True):
        length = min(size, int(np.ceil(side / step)))
        start = int(np.clip((low + high + 1 - length) // 2, 0, size - length))
        box.append(slice(start, start + length))
    return box[0], box[1]


def panel(ax: Any, cut: Cut, name: str, n_classes: int) -> None:
    """The image, with the contours of the labels called `name` if there are any."""
    from matplotlib.patheffects import Normal, Stroke

    low, high = cut.window
    width = 1.5 if max(cut.image.shape[:2]) <= LARGE else 0.6
    ax.imshow(cut.image, vmin=low, vmax=high, aspect=cut.aspect)
    for k in range(1, n_classes) if name in cut.labels else ():
        mask = cut.labels[name] == k
        if not mask.any():
            continue
        colour, line = CONTOURS[(k - 1) % len(CONTOURS)]
        lines = ax.contour(np.pad(mask, 1), [0.5], colors=[colour], linestyles=[line], linewidths=width)
        lines.set_path_effects([Stroke(linewidth=1.75 * width, foreground="black", alpha=0.55), Normal()])
        lines.set_transform(_unpadded(ax))
    ax.set(xticks=[], yticks=[], xlim=(-0.5, cut.image.shape[1] - 0.5), ylim=(cut.image.shape[0] - 0.5, -0.5))
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _unpadded(ax: Any) -> Any:
    """Padding closes contours at the border; it moved them by one pixel."""
    from matplotlib.transforms import Affine2D

    return Affine2D().translate(-1, -1) + ax.transData


def small_title(ax: Any, text: str) -> None:
    """A panel's title, in the size of a caption."""
    ax.set_title(text, fontsize=9, fontweight="normal", loc="center")


def handles(task: Task) -> list[Any]:
    """Legend entries of the foreground classes."""
    from matplotlib.lines import Line2D

    handles = []
    for k, name in enumerate(task.foreground):
        colour, line = CONTOURS[k % len(CONTOURS)]
        handles.append(Line2D([], [], color=colour, ls=line, linewidth=2.2, label=name))
    return handles
