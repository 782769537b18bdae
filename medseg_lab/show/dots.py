"""Every case of every method: which ones are hard, and for whom."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.names import fitted, row_height
from medseg_lab.show.style import canvas, house, look

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
        worst: how many cases are named, 8 at most.

    Raises:
        ValueError: for a method that the comparison does not hold, and for more than 8 cases to be named.
    """
    methods = comparison.methods if methods is None else tuple(methods)
    if not methods:
        raise ValueError("methods: got none, wanted one or more")
    if not 0 <= worst <= 8:
        raise ValueError(f"worst: got {worst}, wanted 0 to 8")
    values = np.stack([comparison.of(method).mean(axis=0) for method in methods])
    hardest = _hardest(values.mean(axis=0), worst, comparison.lower_is_better)
    table = comparison.table.loc[list(methods)].to_dict("records")
    names = fitted(methods)
    with house():
        fig = canvas(7.0, 1.2 + row_height(names, 0.5) * len(methods))
        ax, text = fig.subplots(1, 2, sharey=True, width_ratios=[3, 1.2])
        span = np.ptp(values) or 1.0
        for y, (row, cases) in enumerate(zip(table, values, strict=True)):
            _row(ax, y, np.delete(cases, hardest), row, gap=span / 60)
            text.text(0, y, with_interval(row, digits=comparison.digits), va="center", fontsize=9)
        short = fitted([comparison.cases[case] for case in hardest], 24, 1)
        lines = [_joined(ax, values[:, case], n, short[n]) for n, case in enumerate(hardest)]
        if lines:
            fig.legend(
                *(lines, short),
                loc="outside upper left",
                ncols=4,
                title="worst cases",
                title_fontsize=9,
                alignment="left",
            )
        ax.set_yticks(range(len(methods)), names)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        better = "lower is better" if comparison.lower_is_better else "higher is better"
        ax.set_xlabel(f"{comparison.title}; {better}")
        text.text(0, 1, "mean [95% interval]", transform=text.transAxes, va="bottom", fontsize=9)
        text.axis("off")
        fig.set_label(alt_text(comparison, methods, hardest))
    return fig


def alt_text(comparison: Comparison, methods: Sequence[str], hardest: Sequence[int]) -> str:
    """Means, ranges over cases, and the worst cases in words."""
    form = f".{comparison.digits}f"
    said = []
    for method in methods:
        cases = comparison.of(method).mean(axis=0)
        mean = with_interval(comparison.table.loc[method].to_dict(), digits=comparison.digits)
        said.append(f"{method} {mean}, cases from {cases.min():{form}} to {cases.max():{form}}")
    text = f"{comparison.title}, a dot for each of {len(comparison.cases)} cases: {'; '.join(said)}."
    if hardest:
        text += f" Worst on average: {', '.join(comparison.cases[case] for case in hardest)}."
    return text


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


def _hardest(means: NDArray, count: int, lower_is_better: bool) -> list[int]:
    """The cases with the worst means, the worst first; none where that would be more than half of them."""
    order = np.argsort(-means if lower_is_better else means, kind="stable")
    return order[: min(count, len(means) // 2)].tolist()


def _row(ax: Any, y: int, cases: NDArray, row: Mapping[Any, Any], gap: float) -> None:
    if y % 2:
        ax.axhspan(y - 0.5, y + 0.5, color="#f5f5f5", linewidth=0)
    spots = y - RAISED + 0.07 * lanes(cases, gap)
    ax.plot(cases, spots, "o", color="#777777", markersize=4, alpha=0.65, markeredgewidth=0)
    style = look(0)
    below = y + LOWERED
    ax.plot([row["low"], row["high"]], [below] * 2, color=style.colour, linewidth=2.2, solid_capstyle="butt")
    ax.plot(row["mean"], below, "s", color=style.colour, markersize=6)


def _joined(ax: Any, cases: NDArray, index: int, name: str) -> Any:
    """One case from row to row; gives what a legend shows of it."""
    style = look(index + 1)
    (line,) = ax.plot(
        *(cases, np.arange(len(cases)) - RAISED),
        color=style.colour,
        marker=style.marker,
        markersize=6,
        markeredgecolor="white",
        linestyle=style.line,
        linewidth=0.9,
        label=name,
    )
    return line
