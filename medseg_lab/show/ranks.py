"""How far an order of methods can be trusted, as a picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medseg_lab.evaluation.ranking import Ranking
from medseg_lab.show.names import fitted, row_height
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 0.1
"""Shares from here on are written into their cell."""

DARK = 0.85
"""Above this share a cell is so dark that white reads better than black."""


def ranks(ranking: Ranking) -> "Figure":
    """A row a method, best first: how often it has each rank when seeds and patients are redrawn.

    A cell is the darker the more often its method has its rank; the share is written where it is 10% or more.
    A frame is the rank that was found, a line below it the 95% interval of the rank.

    Raises:
        ValueError: for one method or one patient, where nothing could change places.
    """
    if not ranking.told:
        raise ValueError(f"ranking: {ranking.describe()} Wanted two methods and two patients or more.")
    n, names = len(ranking.methods), fitted(ranking.methods)
    with house():
        fig = canvas(7.0, 1.0 + row_height(names, 0.36) * n)
        ax = fig.add_subplot()
        for y, method in enumerate(ranking.methods):
            _row(ax, y, ranking.shares.loc[method].to_dict(), ranking.table.loc[method].to_dict())
        ax.set_yticks(range(n), names)
        ax.set_ylim(n - 0.5, -0.5)
        ax.set_xlim(0.5, n + 0.5)
        ax.set_xticks(range(1, n + 1))
        ax.grid(visible=False)
        ax.tick_params(length=0)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.set_xlabel(
            "rank\nnumbers: % of resamples; frame: rank found; line: 95% interval of the rank", fontsize=9
        )
        fig.set_label(alt_text(ranking))
    return fig


def alt_text(ranking: Ranking) -> str:
    """The ranks, their intervals, and the shares of first places in words."""
    said = [
        f"{method} rank {row['rank']:g} [{row['low']:g}, {row['high']:g}], first in {row['best']:.0%}"
        for method, row in ranking.table.to_dict("index").items()
    ]
    return f"{ranking.describe()} {'; '.join(said)}."


def _row(ax: Any, y: int, shares: Mapping[Any, float], row: Mapping[Any, Any]) -> None:
    from matplotlib.patches import Rectangle

    for rank, share in shares.items():
        cell = Rectangle((rank - 0.47, y - 0.44), 0.94, 0.88, facecolor=COLOURS[0], alpha=share, linewidth=0)
        ax.add_patch(cell)
        if share >= WRITTEN:
            colour = "white" if share > DARK else "black"
            ax.text(
                *(rank, y - 0.05), f"{100 * share:.0f}", color=colour, ha="center", va="center", fontsize=8.5
            )
    frame = Rectangle(
        (row["rank"] - 0.47, y - 0.44), 0.94, 0.88, fill=False, edgecolor="black", linewidth=1.3
    )
    ax.add_patch(frame)
    ends = {"color": "#333333", "linewidth": 1.2, "marker": "|", "markersize": 5}
    ax.plot([row["low"], row["high"]], [y + 0.3, y + 0.3], **ends)
