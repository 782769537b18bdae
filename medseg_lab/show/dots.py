"""Every case of every method: which ones are hard, and for whom."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.names import better, fitted, rows_of
from medseg_lab.show.style import COLOURS, bars, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = 3
LANES = (0, 1, -1, 2, -2, 3, -3)
RAISED, LOWERED = 0.16, 0.28
"""How far from the middle of its row the dots stand above, the mean below."""


def dots(comparison: Comparison, methods: Sequence[str] | None = None, worst: int = WORST) -> "Figure":
    """A row a method: a dot for each case (mean over seeds and classes), below them the mean and interval.

    The cases that are worst on average over the methods shown are named, marked and joined from row to row.

    Args:
        comparison: gives the values.
        methods: which, from top to bottom; all by default.
        worst: how many cases are named, 8 at most, and at most half of them.

    Raises:
        ValueError: for a method that the comparison does not hold, and for more than 8 cases to be named.
    """
    methods = comparison.methods if methods is None else tuple(methods)
    if not methods:
        raise ValueError("methods: expected one or more, got none")
    if not 0 <= worst <= 8:
        raise ValueError(f"worst: expected 0 to 8, got {worst}")
    values = np.stack([comparison.of(method).mean(axis=0) for method in methods])
    means = values.mean(axis=0) * (-1 if comparison.lower_is_better else 1)
    hardest = np.argsort(means, kind="stable")[: min(worst, len(means) // 2)]
    table = comparison.table.loc[list(methods)].to_dict("records")
    form, said = f".{comparison.digits}f", []
    with house():
        fig, ax, text = rows_of(fitted(methods), 0.5, text=0.4)
        for y, (method, row, cases) in enumerate(zip(methods, table, values, strict=True)):
            if y % 2:
                ax.axhspan(y - 0.5, y + 0.5, color="#f5f5f5", linewidth=0)
            others = np.delete(cases, hardest)
            spots = y - RAISED + 0.07 * lanes(others, (np.ptp(values) or 1.0) / 60)
            ax.plot(others, spots, "o", color="#777777", markersize=4, alpha=0.65, markeredgewidth=0)
            mark = {"fmt": "s", "markersize": 6, "elinewidth": 2.2}
            ax.errorbar(row["mean"], y + LOWERED, xerr=bars(row), color=COLOURS[0], **mark)
            mean = with_interval(row, digits=comparison.digits)
            text.text(0, y, mean, va="center", fontsize=9)
            said.append(f"{method} {mean}, cases from {cases.min():{form}} to {cases.max():{form}}")
        for n, case in enumerate(hardest):
            style = look(n + 1)
            ax.plot(
                *(values[:, case], np.arange(len(methods)) - RAISED),
                color=style.colour,
                marker=style.marker,
                markersize=6,
                markeredgecolor="white",
                linestyle=style.line,
                linewidth=0.9,
                label=fitted([comparison.cases[case] for case in hardest], 24, 1)[n],
            )
        if len(hardest):
            head = {"title": "worst cases", "title_fontsize": 9, "alignment": "left"}
            fig.legend(loc="outside upper left", ncols=4, **head)
        ax.set_xlabel(better(comparison))
        text.text(0, 1, "mean [95% interval]", transform=text.transAxes, va="bottom", fontsize=9)
        alt = f"{comparison.title}, a dot for each of {len(comparison.cases)} cases: {'; '.join(said)}."
        if len(hardest):
            alt += f" Worst on average: {', '.join(comparison.cases[case] for case in hardest)}."
        fig.set_label(alt)
    return fig


def lanes(x: NDArray, gap: float) -> NDArray:
    """For each of some positions, the lane (0, 1, -1, ...) in which it is `gap` from those placed before it.

    Where all lanes are taken, the one with most room is shared.
    """
    placed = np.zeros(len(x), dtype=int)
    ends = dict.fromkeys(LANES, -np.inf)
    for i in np.argsort(x, kind="stable"):
        free = [lane for lane in LANES if x[i] - ends[lane] >= gap]
        lane = free[0] if free else min(LANES, key=lambda lane: ends[lane])
        placed[i], ends[lane] = lane, x[i]
    return placed
