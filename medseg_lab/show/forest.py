"""Paired differences with their intervals: a forest plot."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import p_text, with_interval
from medseg_lab.show.names import fitted, row_height
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest(
    comparison: Comparison, pairs: Sequence[tuple[str, str]] | None = None, margin: float | None = None
) -> "Figure":
    """One line a pair: the mean difference, its 95% interval, and each seed's own difference as a small mark.

    Args:
        comparison: of two seeds or more.
        pairs: `(first, second)`, shown as first - second; by default all methods against the baseline.
        margin: the smallest difference worth naming; shaded around zero.

    Raises:
        ValueError: for one seed, where there is no difference to be tested, and for one method.
    """
    if len(comparison.seeds) < 2:
        raise ValueError(
            "comparison: got one seed, wanted two or more; one training each cannot tell methods apart"
        )
    rows = (comparison.differences if pairs is None else comparison.paired(pairs)).to_dict("records")
    if not rows:
        raise ValueError("comparison: got one method, wanted two or more; there is no difference to show")
    against = {row["second"] for row in rows}
    names = _names(rows)
    from matplotlib.ticker import MaxNLocator

    with house():
        fig = canvas(7.0, 1.2 + row_height(names, 0.36) * len(rows))
        ax, text = fig.subplots(1, 2, sharey=True, width_ratios=[3, 2.1])
        for y, row in enumerate(rows):
            style = look(0)
            ax.plot(
                [row["low"], row["high"]], [y, y], color=style.colour, linewidth=2.2, solid_capstyle="butt"
            )
            ax.plot(row["mean"], y, "s", color=style.colour, markersize=7)
            seeds = (comparison.of(row["first"]) - comparison.of(row["second"])).mean(axis=1)
            ax.plot(seeds, np.full(len(seeds), y + 0.24), "|", color="#555555", markersize=6)
            said = with_interval(row, signed=True, digits=comparison.digits)
            text.text(0, y, said, va="center", fontsize=9)
            text.text(1, y, p_text(row["holm"]), va="center", ha="right", fontsize=9)
        ax.axvline(0, color="black", linewidth=1)
        if margin is not None:
            ax.axvspan(-margin, margin, color="#000000", alpha=0.07, linewidth=0)
        ax.set_yticks(range(len(rows)), names)
        ax.set_ylim(len(rows) - 0.5, -0.6)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        other = f"{comparison.title} minus that of {fitted(list(against), 40, 1)[0]}"
        better = "lower is better" if comparison.lower_is_better else "higher is better"
        ax.set_xlabel(
            f"{other if len(against) == 1 else comparison.title}\n{better}; small marks: one seed each"
        )
        ax.xaxis.set_major_locator(MaxNLocator(5))
        for x, head in ((0, "mean [95% interval]"), (1, "Holm's p")):
            side = "right" if x else "left"
            text.text(x, 1, head, transform=text.transAxes, va="bottom", ha=side, fontsize=9)
        text.axis("off")
        fig.set_label(alt_text(comparison, rows))
    return fig


def alt_text(comparison: Comparison, rows: Sequence[Mapping[Any, Any]]) -> str:
    """The differences in words."""
    said = [f"{row['first']} minus {row['second']} {_said(row, comparison.digits)}" for row in rows]
    return f"Paired differences in {comparison.title} with 95% intervals: " + "; ".join(said) + "."


def _names(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """What stands beside each row: the first of the pair; the second, too, where there are several."""
    if len({row["second"] for row in rows}) == 1:
        return fitted([row["first"] for row in rows])
    sides = [fitted([row[side] for row in rows], 26, 1) for side in ("first", "second")]
    return [f"{first}\n− {second}" for first, second in zip(*sides, strict=True)]


def _said(row: Mapping[Any, Any], digits: int) -> str:
    return f"{with_interval(row, signed=True, digits=digits)}  p {p_text(row['holm'])}"
