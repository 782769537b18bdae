"""Masks painted on a picture, and the legend that says what they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def painted(ax: Any, mask: NDArray[np.bool_], colour: str) -> None:
    """The pixels of a mask (H, W) in one colour, over the image that the panel shows."""
    from matplotlib.colors import to_rgb

    pixels = np.zeros((*mask.shape, 4))
    pixels[..., :3], pixels[..., 3] = to_rgb(colour), mask
    ax.imshow(pixels, aspect=ax.get_aspect())


def in_rows(*rows: Sequence[Any]) -> dict[str, Any]:
    """Legend entries row by row, as arguments of `legend`: matplotlib fills it column by column."""
    from matplotlib.lines import Line2D

    length = max(len(row) for row in rows)
    blank = Line2D([], [], linestyle="none", label=" ")
    filled = [[*row, *[blank] * (length - len(row))] for row in rows]
    return {"handles": [entry for column in zip(*filled, strict=True) for entry in column], "ncols": length}
