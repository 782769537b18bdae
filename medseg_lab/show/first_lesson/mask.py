"""A mask is numbers: a slice, and a few of its voxels with their intensities and their classes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import surface
from medseg_lab.show.contours import (
    CONTOURS,
    Box,
    Cut,
    bare,
    centred,
    cut_slice,
    is_marked,
    panel,
    pictured,
    small_title,
)
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.spot import marked
from medseg_lab.show.style import canvas, house
from medseg_lab.show.volume import slices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE = 7
"""Voxels of a window along both axes: so many numbers can be read."""
BACKGROUND, OPEN = "#e8e8e8", "#ffffff"


def mask_reader(
    case: Case, task: Task, *, axis: int = 2, most: int = 12
) -> tuple[Callable[..., "Figure"], dict[str, list[Any]]]:
    """A function that draws one place of a case, with a window of its numbers, and its slider.

    `draw, grid = mask_reader(case, task)`, then `explore(draw, **grid)`. The slider of a volume are its
    slices, and the window is where the classes mix most; that of a picture are windows along its structures.

    Args:
        case: with a reference label.
        task: names the classes.
        axis: across which a volume is cut.
        most: values of the slider.
    """
    image, labels = pictured(case, 0), {"reference": case.label.cpu().numpy()}
    if image.ndim == 3:

        def draw_slice(slice: int) -> "Figure":
            cut = cut_slice(image, labels, case.spacing, axis, slice)
            return numbers(cut, mixed_window(cut.labels["reference"]), task, f"slice {slice}")

        return draw_slice, {"slice": slices(case, axis, most)}
    border = np.argwhere(surface(marked(case)))
    chosen = border[np.linspace(0, len(border) - 1, min(most, len(border))).round().astype(int)]
    cut = cut_slice(image, labels, case.spacing, 0, 0)

    def draw_place(place: int) -> "Figure":
        return numbers(cut, _window(chosen[place - 1], image.shape), task, f"place {place}")

    return draw_place, {"place": [*range(1, len(chosen) + 1)]}


def mixed_window(label: NDArray[np.integer]) -> Box:
    """The window of a slice `(H, W)` in which two voxels drawn at random differ most often in their class.

    Of several, it is the one whose middle is nearest to what is marked.
    """
    shape = tuple(min(EDGE, size) for size in label.shape)
    views = np.lib.stride_tricks.sliding_window_view(label, shape)
    alike = sum((views == k).mean(axis=(2, 3)) ** 2 for k in np.unique(label))
    places = np.argwhere(is_marked(label)) if is_marked(label).any() else np.zeros((1, 2))
    middle = places.mean(axis=0) - (np.array(shape) - 1) / 2
    away = np.hypot(*(np.indices(views.shape[:2]) - middle[:, None, None]))
    row, column = np.unravel_index(np.lexsort((away.ravel(), np.ravel(alike).round(9)))[0], away.shape)
    return slice(int(row), int(row) + EDGE), slice(int(column), int(column) + EDGE)


def _window(middle: NDArray, shape: tuple[int, ...]) -> Box:
    """The window about a voxel, inside the image."""
    rows, columns = (
        centred(int(at), int(at) + 1, EDGE, size) for at, size in zip(middle, shape, strict=True)
    )
    return rows, columns


def numbers(cut: Cut, window: Box, task: Task, where: str) -> "Figure":
    """A slice with its outlines; the intensities of a window in it; and the classes of the same voxels.

    Args:
        cut: with the label `reference`.
        window: which voxels are shown as numbers.
        task: names the classes.
        where: a word for the place, "slice 12".
    """
    from matplotlib.patches import Rectangle

    classes = cut.labels["reference"][window]
    with house():
        fig = canvas(7.0, 0.75 + min(4.2, 2.2 * max(ratio(cut), cut.aspect)))
        slice_ax, grey_ax, class_ax = fig.subplots(1, 3)
        panel(slice_ax, cut, "reference", len(task.classes))
        height, width = classes.shape
        corner = window[1].start - 0.5, window[0].start - 0.5
        slice_ax.add_patch(Rectangle(corner, width, height, fill=False, color="white", linewidth=3.2))
        slice_ax.add_patch(Rectangle(corner, width, height, fill=False, color="black", linewidth=1.4))
        low, high = cut.window
        grey_ax.imshow(cut.image[window], vmin=low, vmax=high, aspect=cut.aspect)
        class_ax.imshow(_coloured(classes), aspect=cut.aspect)
        for (row, column), k in np.ndenumerate(classes):
            value = cut.image[window][row, column]
            dark = (value - low) / (high - low) < 0.5
            said = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")
            _write(grey_ax, row, column, said, "white" if dark else "black", 7)
            _write(class_ax, row, column, "?" if k == IGNORE else str(k), "black", 9)
        titles = where, "the image there", "the mask there"
        for ax, title in zip((slice_ax, grey_ax, class_ax), titles, strict=True):
            small_title(ax, title)
            bare(ax)
        fig.legend(handles=_legend(task), loc="outside lower center", ncols=min(4, len(task.classes)))
        found = ", ".join(f"{(classes == k).sum()} of {name}" for k, name in enumerate(task.classes))
        fig.set_label(
            f"At {where}: the image with the outlines of its mask, and a window of {height} by {width} "
            f"voxels, once as intensities and once as classes: {found}."
        )
    return fig


def _coloured(classes: NDArray[np.integer]) -> NDArray:
    """The colour of each class, `(H, W, 3)`."""
    from matplotlib.colors import to_rgb

    of = {k: CONTOURS[(k - 1) % len(CONTOURS)][0] if k else BACKGROUND for k in range(IGNORE)} | {
        IGNORE: OPEN
    }
    return np.array([[to_rgb(of[int(k)]) for k in row] for row in classes])


def _write(ax: Any, row: int, column: int, text: str, colour: str, size: int) -> None:
    ax.text(column, row, text, color=colour, fontsize=size, ha="center", va="center")


def _legend(task: Task) -> list[Any]:
    from matplotlib.patches import Patch

    colours = [BACKGROUND, *(CONTOURS[k % len(CONTOURS)][0] for k in range(len(task.foreground)))]
    return [
        Patch(facecolor=colour, edgecolor="#555555", label=f"{k}: {name}")
        for k, (name, colour) in enumerate(zip(task.classes, colours, strict=True))
    ]
