"""How far an order of methods can be trusted, as a picture."""

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
        raise ValueError(f"ranking: expected two methods and two patients or more. {ranking.describe()}")
    n, names, said = len(ranking.methods), fitted(ranking.methods), []
    with house():
        fig = canvas(7.0, 1.0 + row_height(names, 0.36) * n)
        ax: Any = fig.add_subplot()
        for y, method in enumerate(ranking.methods):
            row = ranking.table.loc[method].to_dict()
            for rank, share in enumerate(ranking.shares.loc[[method]].to_numpy()[0], start=1):
                _cell(ax, rank, y, facecolor=COLOURS[0], alpha=share, linewidth=0)
                if share >= WRITTEN:
                    ink = {"color": "white" if share > DARK else "black", "fontsize": 8.5}
                    ax.text(rank, y - 0.05, f"{100 * share:.0f}", ha="center", va="center", **ink)
            _cell(ax, row["rank"], y, fill=False, edgecolor="black", linewidth=1.3)
            ends = {"color": "#333333", "linewidth": 1.2, "marker": "|", "markersize": 5}
            ax.plot([row["low"], row["high"]], [y + 0.3, y + 0.3], **ends)
            interval = f"[{row['low']:g}, {row['high']:g}]"
            said.append(f"{method} rank {row['rank']:g} {interval}, first in {row['best']:.0%}")
        ax.set_yticks(range(n), names)
        ax.set(ylim=(n - 0.5, -0.5), xlim=(0.5, n + 0.5), xticks=range(1, n + 1), frame_on=False)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        told = "numbers: % of resamples; frame: rank found; line: 95% interval of the rank"
        ax.set_xlabel(f"rank\n{told}", fontsize=9)
        fig.set_label(f"{ranking.describe()} {'; '.join(said)}.")
    return fig


def _cell(ax: Any, rank: float, y: int, **look: Any) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((rank - 0.47, y - 0.44), 0.94, 0.88, **look))
