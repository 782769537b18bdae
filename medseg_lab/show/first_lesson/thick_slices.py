"""Voxels and millimetres: the same mask, and the same error, with thinner and thicker slices."""

from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.metrics import score
from medseg_lab.show.contours import small_title
from medseg_lab.show.first_lesson.voxels import Mask, compared, moved, parts_legend
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLICES, COLUMNS, THICKEST = 10, 44, 8.0
ERRORS = {"one slice up": (-1, 0), "one column aside": (0, 1)}


def seen_from_the_side() -> Mask:
    """A structure of six slices, `(slices, columns)`: an ellipse of 24 columns."""
    rows, columns = np.indices((SLICES, COLUMNS))
    found: Mask = ((rows - 4.5) / 3.2) ** 2 + ((columns - 21.5) / 12.2) ** 2 <= 1
    return found


def measured(reference: Mask, prediction: Mask, spacing: tuple[float, float]) -> dict[str, float]:
    """The measures of every table of this book; distances in the unit of the spacing."""
    (row,) = score(prediction.astype(np.uint8), reference.astype(np.uint8), 2, spacing)
    return row


def thick_slices(thickness: float) -> "Figure":
    """A structure from the side in true proportions, a prediction that is one slice off, and its distance.

    For `explore(thick_slices, thickness=(1.0, 2.0, 4.0, 8.0))`.

    Args:
        thickness: of a slice, in mm. A voxel is 1 mm wide.
    """
    reference, step = seen_from_the_side(), (thickness, 1.0)
    off = {name: moved(reference, *by) for name, by in ERRORS.items()}
    found = {
        f"{name}, Dice {measured(reference, mask, step)['dice']:.2f}": (
            measured(reference, mask, (1.0, 1.0))["hd95"],
            measured(reference, mask, step)["hd95"],
        )
        for name, mask in off.items()
    }
    with house():
        fig = canvas(7.0, 4.3)
        left, right = fig.subplots(1, 2, width_ratios=[1, 1.25])
        compared(left, reference, off["one slice up"], step)
        # the same piece of the world whatever the slices, so that what is thicker looks thicker
        middle = SLICES * thickness / 2
        left.set(ylim=(middle + SLICES * THICKEST / 2, middle - SLICES * THICKEST / 2))
        left.set(xlabel="mm", xticks=[0, 10, 20, 30, 40], frame_on=True)
        left.spines["left"].set_visible(False)
        left.grid(False)
        small_title(left, f"one slice up, slices of {thickness:g} mm")
        _bars(right, found)
        volume = reference.sum() * thickness
        small_title(right, f"area {reference.sum()} voxels, {volume:g} mm²")
        fig.legend(handles=parts_legend(), loc="outside lower center", ncols=3)
        said = "; ".join(f"{name} {a:g} and {b:g}" for name, (a, b) in found.items())
        fig.set_label(
            f"A structure seen from the side, in slices of {thickness:g} mm, and a prediction one slice up. "
            f"HD95 in voxels and in mm: {said}."
        )
    return fig


def _bars(ax: Any, found: dict[str, tuple[float, float]]) -> None:
    """HD95 of each error, in voxels and in millimetres."""
    units = (("in voxels", "#bbbbbb", "...."), ("in mm", COLOURS[1], ""))
    for place, values in enumerate(found.values()):
        for number, (value, (unit, colour, hatch)) in enumerate(zip(values, units, strict=True)):
            where = place + 0.36 * (number - 0.5)
            label = unit if place == 0 else None
            ax.barh(where, value, 0.32, color=colour, hatch=hatch, edgecolor="white", label=label)
            ax.text(value + 0.12, where, f"{value:g}", va="center", fontsize=9)
    ax.set(yticks=range(len(found)), yticklabels=[name.replace(", ", "\n") for name in found])
    ax.set(xlim=(0, THICKEST + 1), ylim=(len(found) - 0.4, -0.6), xlabel="HD95")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right")
