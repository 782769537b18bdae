"""How adversarial games went: what each side makes small, and what the discriminator gets right (3.4)."""

from collections.abc import Mapping, Sequence
from math import log
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.semi.adversaries.state import BLIND, WON
from medseg_lab.show.curves import Trained, smoothed
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.curves import NOTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACCURACY = f"{NOTED}discriminator_accuracy"
SIDES = {f"{NOTED}told_apart": "discriminator", f"{NOTED}taken_for_real": "the other side"}
MOST = 3
"""Games beside each other; further ones go below."""
COIN = log(2)
"""What each side's loss is while the discriminator answers 1/2 to everything."""


def game_curves(runs: Mapping[str, Sequence[Trained]], smoothing: float = 0.05) -> "Figure":
    """A column a game: above, the losses of both sides, unweighted; below, the discriminator's accuracy.

    Each is a mean over the seeds, smoothed; the band is their range. Lines say what can be won: at log 2 the
    discriminator answers 1/2 to everything. It wins at most all of it, down to 0, while the loss of the other
    side grows without bound. The other side wins until the discriminator is at log 2 again. Below, shading
    marks where the discriminator has won or sees no difference (`state_of_game`).

    Args:
        runs: a game's name to its runs, of equal length, with what `standing` notes; a game that notes its
            `discriminator_accuracy` alone has no losses drawn.
        smoothing: the span of the moving mean, as a share of the steps.

    Raises:
        ValueError: for no game, or a run without `discriminator_accuracy`.
    """
    if not runs:
        raise ValueError("runs: expected one game or more, got none")
    for name, found in runs.items():
        if any(ACCURACY not in run.curves for run in found):
            raise ValueError(f"{name}: expected a game that notes its discriminator_accuracy, got none")
    columns, ended = min(MOST, len(runs)), []
    rows = -(-len(runs) // columns)
    with house():
        fig = canvas(max(3.5, 7.0 * columns / MOST), 4.0 * rows + 0.4)
        axes: Any = fig.subplots(2 * rows, columns, squeeze=False)
        places = [(2 * row, column) for row in range(rows) for column in range(columns)]
        for (row, column), (name, found) in zip(places, runs.items(), strict=False):
            above, below = axes[row, column], axes[row + 1, column]
            above.set_title("\n".join(wrap(name, 24)), fontsize=9)
            for index, (term, side) in enumerate(SIDES.items()):
                if all(term in run.curves for run in found):
                    _line(above, found, term, smoothing, index, side)
            above.axhline(COIN, color="black", linewidth=0.8, linestyle=":")
            above.set(ylim=(0, min(4.0, max(2 * COIN, above.get_ylim()[1]))))
            for span in ((WON, 1.02), (0.35, BLIND)):
                below.axhspan(*span, color="0.85", linewidth=0)
            accuracy = _line(below, found, ACCURACY, smoothing, 0, "discriminator")
            below.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
            below.set(xlabel="step", ylim=(0.35, 1.02))
            _words(above, below, column == 0)
            ended.append(f"{name} {accuracy:.0%}")
        for row, column in places[len(runs) :]:
            axes[row, column].axis("off")
            axes[row + 1, column].axis("off")
        sides = [line for ax in fig.axes for line in ax.lines if line.get_label() in SIDES.values()]
        legend = {line.get_label(): line for line in sides}
        fig.legend(handles=list(legend.values()), loc="outside lower center", ncols=2)
        said = "Losses of both sides, and the accuracy of the discriminator, against the step"
        fig.set_label(f"{said}. Its accuracy at the end: {', '.join(ended)}.")
    return fig


def _line(ax: Any, runs: Sequence[Trained], term: str, smoothing: float, index: int, side: str) -> float:
    """Draw one curve; its last value."""
    tables = [run.curves[["step", term]].dropna() for run in runs]
    common = set.intersection(*(set(table["step"]) for table in tables))  # where all of them noted it
    there = [table[table["step"].isin(common)] for table in tables]
    lines = np.stack([smoothed(table, smoothing, term) for table in there])
    x, y, style = there[0]["step"], lines.mean(axis=0), look(index)
    ax.fill_between(x, lines.min(axis=0), lines.max(axis=0), color=style.colour, alpha=0.2, linewidth=0)
    marker = style.marker if len(x) == 1 else ""  # a line of one step is not seen
    ax.plot(x, y, color=style.colour, linestyle=style.line, marker=marker, linewidth=1.5, label=side)
    return float(y[-1])


def _words(above: Any, below: Any, first: bool) -> None:
    """What the lines and the shading mean; the axes' names in the first column."""
    small = {"fontsize": 7, "color": "0.25", "ha": "right", "xycoords": ("axes fraction", "data")}
    plain = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}  # it may lie on a curve
    above.annotate("no difference: log 2", (0.98, 0.9 * COIN), va="top", bbox=plain, **small)
    below.annotate("has won", (0.98, WON), va="top", **small)
    below.annotate("sees no difference", (0.98, 0.36), va="bottom", **small)
    if first:
        above.set_ylabel("loss, unweighted")
        below.set_ylabel("right answers")
