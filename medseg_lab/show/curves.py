"""How the training loss fell."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from medseg_lab.show.labels import name_at_right
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOT_LOSSES = ("step", "seconds", "lr")


class Trained(Protocol):
    """What is drawn of a run (`medseg_lab.training.runs.Run`)."""

    @property
    def curves(self) -> pd.DataFrame:
        """A row a step: step, seconds, lr, and the losses."""


def curves(
    runs: Mapping[str, Sequence[Trained]],
    over: str = "step",
    smoothing: float = 0.05,
    term: str | None = None,
) -> "Figure":
    """The sum of the losses over the course of training: a method's mean over its seeds, and their range.

    Args:
        runs: a method's name to its runs, of equal length.
        over: the horizontal axis: "step" or "seconds".
        smoothing: the span of the moving mean, as a share of the steps.
        term: one loss by its name, as it was weighted, instead of the sum.

    Raises:
        ValueError: for another axis, or a run without that loss.
    """
    if over not in ("step", "seconds"):
        raise ValueError(f"over: got {over!r}, wanted 'step' or 'seconds'")
    tables = {name: [_losses(run.curves, term, name) for run in found] for name, found in runs.items()}
    title = f"{term}, weighted" if term else "training loss"
    with house():
        fig = canvas(7.0, 3.8)
        ax = fig.add_subplot()
        ends = {}
        for index, (name, found) in enumerate(tables.items()):
            ends[name] = _draw(ax, found, over, smoothing, index)
        ax.set_xlabel("step" if over == "step" else "seconds of training")
        ax.set_ylabel(title)
        ax.set_ylim(bottom=0)
        ax.margins(x=0.01)
        name_at_right(ax, list(ends), *zip(*ends.values(), strict=True))
        ended = ", ".join(f"{name} {y:.2g}" if term else f"{name} {y:.2f}" for name, (_, y) in ends.items())
        said = f"{title.capitalize()} against {ax.get_xlabel()}, smoothed, mean over seeds."
        fig.set_label(f"{said} At the end: {ended}.")
    return fig


def _losses(table: pd.DataFrame, term: str | None, name: str) -> pd.DataFrame:
    """The columns that are drawn."""
    if term is None:
        return table
    if term not in table:
        known = [str(column) for column in table if column not in NOT_LOSSES]
        raise ValueError(f"term: got {term!r}, wanted one of {', '.join(known)}, which {name} has")
    return table[[column for column in table if column in (*NOT_LOSSES, term)]]


def smoothed(table: pd.DataFrame, smoothing: float) -> pd.Series:
    """The sum of a run's losses as an exponential moving mean."""
    total = table.drop(columns=list(NOT_LOSSES), errors="ignore").sum(axis=1)
    return total.ewm(span=max(1.0, smoothing * len(total))).mean()


def _draw(
    ax: Any, tables: Sequence[pd.DataFrame], over: str, smoothing: float, index: int
) -> tuple[float, float]:
    """One method; gives the end of its line."""
    lines = np.stack([smoothed(table, smoothing) for table in tables])
    x, y = np.mean([table[over] for table in tables], axis=0), lines.mean(axis=0)
    style = look(index)
    ax.fill_between(x, lines.min(axis=0), lines.max(axis=0), color=style.colour, alpha=0.2, linewidth=0)
    every = max(1, len(x) // 6)
    marks = {"marker": style.marker, "markevery": (every * (index % 4) // 4, every), "markersize": 5}
    ax.plot(x, y, color=style.colour, linewidth=1.5, **marks)
    return float(x[-1]), float(y[-1])
