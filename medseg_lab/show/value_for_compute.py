"""What a method's measure costs to get: training, and passes at test time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.cost import point, ticks
from medseg_lab.show.labels import name_at_right, spread
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house
from medseg_lab.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 0.025
"""Marks stand so far apart at least, as a share of the axis: methods may share their training."""


def show_value_for_compute(
    comparison: Comparison, runs: Mapping[str, Sequence[Run]], passes: Mapping[str, int]
) -> "Figure":
    """A measure with its interval against seconds of training, with the passes at test time by the names.

    Methods that took nearly the same time stand side by side, a little apart.

    Args:
        comparison: of "error_auroc", say.
        runs: a method's name to its runs; their mean seconds are its cost. Of a method that changes a trained
            learner, they are those of its base (`medseg_lab.training.record.RunRecord`).
        passes: a method's name to how often its network sees an image to give the samples that are judged.

    Raises:
        ValueError: if a method lacks a run or its passes.
    """
    seconds = seconds_of(comparison.methods, runs)
    check_passes(comparison.methods, passes)
    places = beside(list(seconds.values()))
    with house():
        fig = canvas(7.0, max(3.6, 1.0 + 0.3 * len(seconds)))
        ax = fig.add_subplot()
        for index, (name, x) in enumerate(zip(seconds, places, strict=True)):
            point(ax, x, comparison.table.loc[name].to_dict(), index)
        ax.set_xscale("log")
        ticks(ax, [*seconds.values(), *places])
        ax.set_xlabel("seconds of training")
        better = "lower is better" if comparison.lower_is_better else "higher is better"
        ax.set_ylabel(f"{comparison.title}; {better}")
        names = [
            f"{short}, {passes[name]} {'pass' if passes[name] == 1 else 'passes'}"
            for name, short in zip(seconds, fitted(list(seconds), 24, 1), strict=True)
        ]
        name_at_right(ax, names, places, comparison.table["mean"].tolist())
        fig.set_label(alt_text(comparison, seconds, passes))
    return fig


def seconds_of(methods: Sequence[str], runs: Mapping[str, Sequence[Run]]) -> dict[str, float]:
    """The mean seconds of training of each method.

    Raises:
        ValueError: if one lacks a run.
    """
    missing = [name for name in methods if not runs.get(name)]
    if missing:
        raise ValueError(f"runs: got none of {', '.join(missing)}, wanted those of each method")
    return {name: float(np.mean([run.record.seconds for run in runs[name]])) for name in methods}


def check_passes(methods: Sequence[str], passes: Mapping[str, int]) -> None:
    """Whether each method's passes are known.

    Raises:
        ValueError: if not, or if one has fewer than one.
    """
    for name in methods:
        if passes.get(name, 0) < 1:
            raise ValueError(f"passes: got {passes.get(name)} of {name}, wanted 1 or more")


def beside(seconds: Sequence[float]) -> list[float]:
    """Places at or near these, in their order, that are `GAP` of the logarithmic axis apart at least."""
    logs = np.log(seconds)
    gap = GAP * (np.ptp(logs) + 2 * np.log(1.6))
    reach = gap * len(logs)
    return [float(x) for x in np.exp(spread(logs.tolist(), gap, logs.min() - reach, logs.max() + reach))]


def alt_text(comparison: Comparison, seconds: Mapping[str, float], passes: Mapping[str, int]) -> str:
    """The figure in words."""
    rows = comparison.table.to_dict("index")
    said = [
        f"{name} {with_interval(rows[name], digits=comparison.digits)} after {x:.3g} s, "
        f"{passes[name]} at test time"
        for name, x in seconds.items()
    ]
    return f"{comparison.title} against seconds of training, and passes: {'; '.join(said)}."
