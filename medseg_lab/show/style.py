"""The look of all figures: legible, and readable without colour.

Colours are those of Okabe and Ito, which people with a colour vision deficiency can tell apart. What colour
says is said by a marker or a line style, too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "p", "*", "h")
"""Three more than colours, so that those that have a colour in common have another mark."""
LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))


@dataclass(frozen=True)
class Look:
    """How one method, or one class, is drawn."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]


def look(index: int) -> Look:
    """The look of the n-th of several; no two of the first 24 are the same, nor colour and marker of 88."""
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], LINES[index % len(LINES)])


def bars(table: "pd.DataFrame | Mapping[Any, float]") -> NDArray:
    """How far the intervals of rows (mean, low, high) reach from the means, for matplotlib's `errorbar`."""
    reach = np.reshape([table["mean"] - table["low"], table["high"] - table["mean"]], (2, -1))
    return np.maximum(reach, 0)  # of equal values, rounding may put an end on the wrong side


@contextmanager
def house() -> Iterator[None]:
    """Inside, matplotlib draws in this style; outside, as before."""
    import matplotlib

    with (
        as_file(files("medseg_lab.show").joinpath("house.mplstyle")) as path,
        matplotlib.rc_context(fname=str(path)),
    ):
        yield


def canvas(width: float = 7.0, height: float = 3.6) -> "Figure":
    """An empty figure, in inches; 7 inches fill a page.

    It is no pyplot figure: a notebook shows it when it is told to, and once.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
