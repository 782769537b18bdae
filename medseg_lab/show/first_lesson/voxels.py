"""What several pictures of the first chapter share: shapes made of voxels, and voxels that are hatched."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.show.style import COLOURS

Mask = NDArray[np.bool_]

BOTH, FIRST, SECOND = (COLOURS[2], ""), (COLOURS[0], "////"), (COLOURS[1], "xxxx")
"""Colour and hatching of voxels in both masks, in the reference alone, and in the prediction alone."""
PARTS = {"in both": BOTH, "in the reference alone": FIRST, "in the prediction alone": SECOND}


def disc(radius: int, shape: tuple[int, int], centre: tuple[int, int]) -> Mask:
    """The voxels whose centres are at most `radius` and a half away from that of the voxel `centre`."""
    rows, columns = np.indices(shape)
    away: NDArray = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return away <= (radius + 0.5) ** 2


def moved(mask: Mask, rows: int = 0, columns: int = 0) -> Mask:
    """The mask so many voxels further down and to the right; what leaves the image is lost.

    Args:
        mask: `(H, W)`.
        rows, columns: how far; a negative number moves up, or to the left.
    """
    found = np.zeros_like(mask)
    for row, column in np.argwhere(mask) + np.array([rows, columns]):
        if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]:
            found[row, column] = True
    return found


def compared(ax: Any, reference: Mask, prediction: Mask, step: tuple[float, float] = (1.0, 1.0)) -> None:
    """Fill the voxels of two masks: those in both, in the reference alone, and in the prediction alone.

    Args:
        ax: where to draw, in true proportions; rows run downwards.
        reference, prediction: `(H, W)`.
        step: height and width of a voxel.
    """
    for mask, (colour, hatch) in zip(
        (reference & prediction, reference & ~prediction, prediction & ~reference),
        PARTS.values(),
        strict=True,
    ):
        filled(ax, mask, colour, hatch, step)
    height, width = (size * edge for size, edge in zip(reference.shape, step, strict=True))
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[], frame_on=False)


def filled(ax: Any, mask: Mask, colour: str, hatch: str = "", step: tuple[float, float] = (1.0, 1.0)) -> None:
    """Fill each voxel of a mask `(H, W)`, as a rectangle of the size `step`."""
    from matplotlib.collections import PolyCollection

    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
    places = (np.argwhere(mask)[:, None] + corners) * step
    pale: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.4}
    ax.add_collection(PolyCollection(list(places[:, :, ::-1]), hatch=hatch, **pale))


def parts_legend() -> list[Any]:
    """Legend entries of `compared`."""
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=colour, edgecolor="white", hatch=hatch, label=name)
        for name, (colour, hatch) in PARTS.items()
    ]
