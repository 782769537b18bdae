"""Names of methods beside a figure: left of its rows, or right of a panel so that no legend is needed."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.show.style import canvas, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.17
"""Inches that a line of 9 points takes."""

JOINT = "\u200b"
"""Zero-width space: where a name without spaces may be broken."""


def better(comparison: Comparison) -> str:
    """The metric, and which of its values are the better ones: a label for an axis."""
    side = "lower" if comparison.lower_is_better else "higher"
    return f"{comparison.title}; {side} is better"


def fitted(names: Sequence[str], width: int = 26, lines: int = 2, after: str = "(,.=") -> list[str]:
    """Names broken into at most `lines` lines of `width` letters, the middle left out where it must be.

    They are broken at spaces, after the given signs, and where a word is too long, inside it.

    A recipe as text can be long, and two of them may differ at their end only, so the ends are kept.
    Different names that would look the same are given in full, in as many lines as that takes.
    """

    def broken(name: str) -> str:
        for sign in after:
            name = name.replace(sign, f"{sign}{JOINT} ")
        parts = textwrap.wrap(name, width, break_on_hyphens=False)
        return "\n".join(part.replace(f"{JOINT} ", "").replace(JOINT, "") for part in parts)

    short = {}
    for name in names:
        found, most = broken(name), len(name)
        while found.count("\n") >= lines:  # take one letter more out of the middle
            most -= 1
            tail = (most - 1) // 2
            found = broken(f"{name[: most - 1 - tail].rstrip()}…{name[-tail:].lstrip()}")
        short[name] = found
    looks = list(short.values())
    return [broken(name) if looks.count(short[name]) > 1 else short[name] for name in names]


def row_height(names: Sequence[str], least: float) -> float:
    """Inches between two rows that leave room for such names, as `fitted` gives them."""
    return max([least, *(LINE * (1 + name.count("\n")) + 0.05 for name in names)])


def rows_of(names: Sequence[str], least: float, text: float) -> "tuple[Figure, Any, Any]":
    """A figure with a row for each name, its panel, and a second one at the right for numbers in words.

    Args:
        names: at the left, from top to bottom, as `fitted` gives them.
        least: inches of a row, at least.
        text: the width of the words over that of the panel.
    """
    fig = canvas(7.0, 1.2 + row_height(names, least) * len(names))
    ax, words = fig.subplots(1, 2, sharey=True, width_ratios=[1, text])
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.55)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    words.axis("off")
    return fig, ax, words


def name_at_right(ax: Any, names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> None:
    """Write names right of a panel, each with its marker and a thin line to its point (x, y).

    Call it when the panel's limits are final. The names' looks are those of their positions in `names`.
    """
    from matplotlib.transforms import ScaledTranslation

    low, high = ax.get_ylim()
    gap = (high - low) * 0.19 / (ax.figure.get_figheight() * 0.74)  # of 0.19 inches; an axis fills 3/4
    marks, words = (
        ax.get_yaxis_transform() + ScaledTranslation(inches, 0, ax.figure.dpi_scale_trans)
        for inches in (0.16, 0.26)
    )
    for index, (name, place) in enumerate(zip(names, spread(y, gap, low, high), strict=True)):
        style = look(index)
        ax.annotate(
            *(name, (x[index], y[index]), (1, place)),
            textcoords=words,
            va="center",
            fontsize=9,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.colour, "linewidth": 0.6, "relpos": (0, 0.5)},
        )
        ax.plot(1, place, style.marker, color=style.colour, markersize=6, transform=marks, clip_on=False)
    ax.set_ylim(low, high)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, in the order of `wanted` and near it, from `low` to `high`.

    The nearest such positions in least squares. Where there is no room for all, they go on above `high`.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(order))
    placed = isotonic_regression(np.asarray(wanted, dtype=float)[order] - steps).x
    found = np.empty(len(order))
    found[order] = np.clip(placed, low, max(low, high - steps[-1])) + steps
    return [float(place) for place in found]
