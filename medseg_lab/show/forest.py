"""Paired differences with their intervals: a forest plot."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import p_text, with_interval
from medseg_lab.show.names import better, fitted, rows_of
from medseg_lab.show.style import COLOURS, bars, house

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
            "comparison: expected two seeds or more, got one; one training each cannot tell methods apart"
        )
    rows = (comparison.differences if pairs is None else comparison.paired(pairs)).to_dict("records")
    if not rows:
        raise ValueError("comparison: expected two methods or more, got one; there is no difference to show")
    against = {row["second"] for row in rows}
    with house():
        fig, ax, text = rows_of(_names(rows), 0.36, text=0.8)
        said = []
        for y, row in enumerate(rows):
            ax.errorbar(row["mean"], y, xerr=bars(row), fmt="s", color=COLOURS[0], elinewidth=2.2)
            seeds = (comparison.of_patients(row["first"]) - comparison.of_patients(row["second"])).mean(
                axis=1
            )
            ax.plot(seeds, np.full(len(seeds), y + 0.24), "|", color="#555555", markersize=6)
            difference = with_interval(row, signed=True, digits=comparison.digits)
            text.text(0, y, difference, va="center", fontsize=9)
            text.text(1, y, p_text(row["holm"]), va="center", ha="right", fontsize=9)
            said.append(f"{row['first']} minus {row['second']} {difference}  p {p_text(row['holm'])}")
        for x, side, head in ((0, "left", "mean [95% interval]"), (1, "right", "Holm's p")):
            text.text(x, 1, head, transform=text.transAxes, va="bottom", ha=side, fontsize=9)
        ax.axvline(0, color="black", linewidth=1)
        if margin is not None:
            ax.axvspan(-margin, margin, color="#000000", alpha=0.07, linewidth=0)
        what = comparison.title
        if len(against) == 1:
            what += f" minus that of {fitted(list(against), 40, 1)[0]}"
        side = better(comparison).split("; ")[-1]
        ax.set_xlabel(f"{what}\n{side}; small marks: one seed each")
        ax.locator_params(axis="x", nbins=5)
        fig.set_label(f"Paired differences in {comparison.title} with 95% intervals: {'; '.join(said)}.")
    return fig


def _names(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """What stands beside each row: the first of the pair; the second, too, where there are several."""
    if len({row["second"] for row in rows}) == 1:
        return fitted([row["first"] for row in rows])
    sides = [fitted([row[side] for row in rows], 26, 1) for side in ("first", "second")]
    return [f"{first}\n− {second}" for first, second in zip(*sides, strict=True)]
