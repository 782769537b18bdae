"""Where the kernels of an encoder read, drawn on the image: the survey's figure 5, from trained networks."""

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.deformable import DeformableConv, positions
from medseg_lab.show.contours import cut_slice, is_marked, middle, panels, pictured, small_title
from medseg_lab.show.style import COLOURS, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW = 64
"""Pixels along each axis that are shown of a larger image, about the chosen one."""


def kernel_reader(
    case: Case,
    networks: Mapping[str, nn.Module],
    task: Task,
    *,
    level: int = 2,
    axis: int = 2,
    index: int | None = None,
) -> Callable[..., "Figure"]:
    """A function that draws where the kernel of each network reads for one pixel of a slice.

    The kernel is the last one of the encoder's stage at `level`, which reads features; what it reads is shown
    at the place of the image that the features belong to. Made for
    `explore(kernel_reader(...), **places(case, axis))`.

    Args:
        case: with a reference label.
        networks: of two dimensions, with an `encoder` of stages, by the titles of their panels.
        task: names the classes.
        level: of the encoder, 0 for the finest.
        axis: across which a volume is cut.
        index: of the slice; None for the middle one of those with a reference.
    """
    label = case.label.cpu().numpy()
    solid = label.ndim == 3
    index = middle(is_marked(label), axis) if solid and index is None else index or 0
    cut = cut_slice(pictured(case), {"reference": label}, case.spacing, axis, index)
    image = case.image.float().select(axis + 1, index) if solid else case.image.float()
    height = cut.image.shape[0]
    found = {name: where_it_reads(network, image[None], level) for name, network in networks.items()}

    def shown(places: NDArray) -> tuple[NDArray, NDArray]:
        # a slice is shown turned: its first axis runs rightwards and its second upwards (`cut_slice`)
        return (places[:, 0], height - 1 - places[:, 1]) if solid else (places[:, 1], places[:, 0])

    def draw(column: int, row: int) -> "Figure":
        pixel = (column, height - 1 - row) if solid else (row, column)
        with house():
            fig, (axes,) = panels([[(cut, "reference") for _ in found]], task)
            said = []
            for ax, (name, (everywhere, unmoved, factor)) in zip(axes, found.items(), strict=True):
                here = (slice(None), slice(None), pixel[0] // factor, pixel[1] // factor)
                x, y = shown(everywhere[here])
                _offsets(ax, *shown(unmoved[here]), x, y)
                _dots(ax, x, y, column, row)
                small_title(ax, name)
                reach = np.hypot(x - column, y - row).max()
                said.append(f"{name}, up to {reach:.0f} pixels away")
            where = f"column {column}, row {row} of {f'slice {index} of ' * solid}case {case.id}"
            fig.set_label(
                f"Where a kernel at level {level} reads for the pixel in {where}: {'; '.join(said)}."
            )
        return fig

    return draw


def places(case: Case, axis: int = 2, most: int = 9) -> dict[str, list[int]]:
    """Columns and rows about what the reference marks, as arguments of `explore`; at most so many of each."""
    label = case.label.cpu().numpy()
    marked = is_marked(label)
    index = middle(marked, axis) if label.ndim == 3 else 0
    shown = cut_slice(label, {"reference": marked}, None, axis, index).labels["reference"]
    found = {}
    for name, across in (("column", 0), ("row", 1)):
        there = np.flatnonzero(shown.any(axis=across))
        low, high = (there[0], there[-1]) if len(there) else (0, shown.shape[1 - across] - 1)
        found[name] = sorted({round(place) for place in np.linspace(low, high, most).tolist()})
    return found


def where_it_reads(network: nn.Module, image: Tensor, level: int) -> tuple[NDArray, NDArray, int]:
    """Where the last kernel of an encoder stage reads, and how many pixels one of its steps is.

    Args:
        network: of two dimensions, with `encoder` and `strides`.
        image: `(1, C, H, W)`.
        level: of the encoder.

    Returns:
        Places `(T, 2, *S)` for each pixel of the stage's map, in pixels of the image along its two axes;
        those that it would read without offsets; and the pixels of a step.
    """
    parts: Any = network
    stage = parts.encoder[level]
    layers = [m for m in stage.modules() if isinstance(m, DeformableConv)]
    layers = layers or [m for m in stage.modules() if isinstance(m, nn.Conv2d)]
    seen: list[Tensor] = []
    hook = layers[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(image)
        hook.remove()
        layer, still = layers[-1], torch.zeros(1, 9, 2, *seen[0].shape[2:])
        unmoved = positions(still)[0]
        if isinstance(layer, DeformableConv):
            read = positions(layer.offsets(seen[0]))[0]
        else:
            centre = unmoved[4]
            read = unmoved = centre + layer.dilation[0] * (unmoved - centre)
    factor = prod(parts.strides[:level])
    first, second = (((places + 0.5) * factor - 0.5).numpy() for places in (read, unmoved))
    return first, second, factor


def _offsets(ax: Any, from_x: NDArray, from_y: NDArray, x: NDArray, y: NDArray) -> None:
    """A line from where each element would read without its offset, if it has one."""
    if np.hypot(x - from_x, y - from_y).max() > 0:
        ax.scatter(from_x, from_y, s=20, facecolors="none", edgecolors="white", linewidths=1.0, zorder=3)
        ax.plot([from_x, x], [from_y, y], color="white", linewidth=1.2, zorder=3)


def _dots(ax: Any, x: NDArray, y: NDArray, column: int, row: int) -> None:
    """The places that are read, a cross on the pixel itself, and the part of the image that is shown."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    ax.scatter(x, y, s=26, color=COLOURS[1], edgecolors="white", linewidths=0.8, zorder=3)
    ax.plot(column, row, "+", color="white", markersize=11, markeredgewidth=2.2, zorder=4)
    ax.plot(column, row, "+", color="black", markersize=9, markeredgewidth=1.0, zorder=5)
    if right - left > WINDOW or bottom - top > WINDOW:
        left, right = max(left, column - WINDOW / 2), min(right, column + WINDOW / 2)
        top, bottom = max(top, row - WINDOW / 2), min(bottom, row + WINDOW / 2)
    ax.set(xlim=(left, right), ylim=(bottom, top))
