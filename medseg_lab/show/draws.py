"""What depends on which patients are labelled, and what on the method (survey 3.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TERMS = ["labelled", "steps", "voxels", "patch", "judge"]


def by_draw(
    ledger: Ledger, methods: Sequence[str], dataset: str, *, metric: str = "dice", part: str = "test"
) -> pd.DataFrame:
    """The mean of each method over cases and seeds, on each draw of the labelled patients.

    Args:
        ledger: runs of several draws.
        methods: names of configurations.
        dataset: its id.
        metric: a measure of cases.
        part: which cases.

    Returns:
        A row a method and a column a draw, of the terms with the most draws that all methods have with common
        seeds; empty where no terms have two draws.
    """
    table = ledger.where(dataset=dataset, method=list(methods)).table
    if table.empty:
        return pd.DataFrame()
    table = table[(table["part"] == part) & (table["unlabelled"] > 0)]
    found = [_means(one, methods, metric) for _, one in table.groupby(TERMS)]
    return max(found, key=lambda one: one.shape[1], default=pd.DataFrame())


def draws(means: pd.DataFrame, label: str = "Dice") -> "Figure":
    """A line a draw, over the methods: lines apart show what the draw does, bends what the method does.

    Args:
        means: as of `by_draw`.
        label: of the axis.

    Raises:
        ValueError: for fewer than two draws or methods.
    """
    if min(means.shape) < 2:
        raise ValueError(f"means: expected two methods and two draws at least, got {means.shape}")
    over_draws, over_methods = spreads(means)
    with house():
        fig = canvas(7.0, 3.2)
        ax = fig.add_subplot()
        for number, (draw, of) in enumerate(means.items()):
            how = look(number)
            line = ax.plot(range(len(of)), of, color=how.colour, linestyle=how.line, label=f"draw {draw}")
            line[0].set_marker(how.marker)
        ax.set_xticks(range(len(means)), fitted([str(name) for name in means.index], 14))
        ax.set(ylabel=label, xlim=(-0.3, len(means) - 0.7))
        fig.legend(loc="outside right upper")
        ax.set_title(f"standard deviation: {over_draws:.3f} over draws, {over_methods:.3f} over methods")
        fig.set_label(
            f"{label} of {', '.join(map(str, means.index))} on {counted(means.shape[1], 'draw')} of the "
            f"labelled patients. Its standard deviation is {over_draws:.3f} over draws, mean over the "
            f"methods, and {over_methods:.3f} over methods, mean over the draws."
        )
    return fig


def spreads(means: pd.DataFrame) -> tuple[float, float]:
    """The standard deviation over draws (mean over methods), and that over methods (mean over draws)."""
    return float(means.std(axis=1).mean()), float(means.std(axis=0).mean())


def _means(table: pd.DataFrame, methods: Sequence[str], metric: str) -> pd.DataFrame:
    """Of one set of terms; draws that not every method has are left out, and so are such seeds."""
    has = table.groupby(["draw", "seed"])["method"].nunique()
    whole = table.set_index(["draw", "seed"]).loc[has.index[has == len(methods)]].reset_index()
    common = whole.groupby("seed")["draw"].nunique()
    whole = whole[whole["seed"].isin(common.index[common == common.max()])]
    found = whole.pivot_table(index="method", columns="draw", values=metric, aggfunc="mean")
    return found.reindex(list(methods)) if found.shape[1] > 1 else pd.DataFrame()
