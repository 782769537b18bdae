"""How the training loss fell."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from medseg_lab.show.names import name_at_right
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.curves import NOT_LOSSES, NOTED, is_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        term: one loss by its name, as it was weighted, or what a learner noted (`noted.kept`), instead of the
            sum.

    Raises:
        ValueError: for another axis, or a run without that loss.
    """
    if over not in ("step", "seconds"):
        raise ValueError(f"over: expected 'step' or 'seconds', got {over!r}")
    for name, found in runs.items():
        if term is not None and any(term not in run.curves for run in found):
            known = ", ".join(str(column) for column in found[0].curves if column not in NOT_LOSSES)
            raise ValueError(f"term: expected one of {known}, which {name} has, got {term!r}")
    title = _title(term)
    ends = {}
    with house():
        fig = canvas(7.0, 3.8)
        ax: Any = fig.add_subplot()
        for index, (name, found) in enumerate(runs.items()):
            lines = np.stack([smoothed(run.curves, smoothing, term) for run in found])
            x, y = np.mean([run.curves[over] for run in found], axis=0), lines.mean(axis=0)
            style, every = look(index), max(1, len(x) // 6)
            ax.fill_between(
                x, lines.min(axis=0), lines.max(axis=0), color=style.colour, alpha=0.2, linewidth=0
            )
            marks = {"marker": style.marker, "markevery": (every * (index % 4) // 4, every), "markersize": 5}
            ax.plot(x, y, color=style.colour, linewidth=1.5, **marks)
            ends[name] = float(x[-1]), float(y[-1])
        ax.set(xlabel="step" if over == "step" else "seconds of training", ylabel=title)
        ax.set_ylim(bottom=0)
        ax.margins(x=0.01)
        name_at_right(ax, list(ends), *zip(*ends.values(), strict=True))
        ended = ", ".join(f"{name} {y:.2g}" if term else f"{name} {y:.2f}" for name, (_, y) in ends.items())
        said = f"{title.capitalize()} against {ax.get_xlabel()}, smoothed, mean over seeds."
        fig.set_label(f"{said} At the end: {ended}.")
    return fig


def _title(term: str | None) -> str:
    if term is None:
        return "training loss"
    return term.removeprefix(NOTED) if term.startswith(NOTED) else f"{term}, weighted"


def smoothed(table: pd.DataFrame, smoothing: float, term: str | None = None) -> pd.Series:
    """The sum of a run's losses, or one term of it, as an exponential moving mean."""
    losses = (
        table[[name for name in table if is_loss(str(name))]].sum(axis=1) if term is None else table[term]
    )
    return losses.ewm(span=max(1.0, smoothing * len(losses))).mean()
