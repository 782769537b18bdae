"""What a method's result costs: parameters, operations, seconds of training, passes at test time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.names import better, fitted, name_at_right, spread
from medseg_lab.show.style import bars, canvas, house, look
from medseg_lab.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = {
    "parameters": "parameters",
    "flops": "FLOPs, forward pass",
    "seconds": "seconds of training",
}

GAP = 0.025
"""Marks stand so far apart at least, as a share of the axis: methods may share their training."""


def cost(
    comparison: Comparison, costs: Mapping[str, Mapping[str, float]], axes: Mapping[str, str] | None = None
) -> "Figure":
    """A panel for each cost, the metric upwards with its interval, the cost rightwards on a logarithmic axis.

    The panels share their vertical axis, so a name at the right edge stands for its point in all of them.
    Methods of nearly the same cost stand side by side, a little apart.

    Args:
        comparison: gives means and intervals.
        costs: a method's name to its costs, which are more than 0: `{"U-Net": {"parameters": 5e5, ...}}`.
        axes: which costs, with the labels of their axes; by default parameters, flops and seconds.

    Raises:
        ValueError: if a method lacks a cost.
    """
    axes = AXES if axes is None else axes
    for name in comparison.methods:
        missing = [key for key in axes if not costs.get(name, {}).get(key, 0) > 0]
        if missing:
            raise ValueError(f"costs of {name}: expected a number above 0, got no {', '.join(missing)}")
    with house():
        fig = canvas(7.0, 3.8)
        panels = fig.subplots(1, len(axes), sharey=True, squeeze=False)[0]
        for ax, (key, label) in zip(panels, axes.items(), strict=True):
            places = _points(ax, comparison, [costs[name][key] for name in comparison.methods])
            ax.set_xlabel(label, fontsize=9)
        panels[0].set_ylabel(comparison.title)
        name_at_right(panels[-1], comparison.methods, places, comparison.table["mean"].tolist())
        said = [
            f"{name} {mean:.3f} at "
            + ", ".join(f"{short(costs[name][key])} {label}" for key, label in axes.items())
            for name, mean in zip(comparison.methods, comparison.table["mean"].tolist(), strict=True)
        ]
        fig.set_label(f"{comparison.title} against {', '.join(axes.values())}: {'; '.join(said)}.")
    return fig


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
    with house():
        fig = canvas(7.0, max(3.6, 1.0 + 0.3 * len(seconds)))
        ax = fig.add_subplot()
        places = _points(ax, comparison, list(seconds.values()))
        ax.set(xlabel="seconds of training", ylabel=better(comparison))
        names = [
            f"{name}, {passes[method]} {'pass' if passes[method] == 1 else 'passes'}"
            for method, name in zip(seconds, fitted(list(seconds), 24, 1), strict=True)
        ]
        name_at_right(ax, names, places, comparison.table["mean"].tolist())
        said = [
            f"{name} {with_interval(row, digits=comparison.digits)} after {seconds[name]:.3g} s, "
            f"{passes[name]} at test time"
            for name, row in zip(comparison.methods, comparison.table.to_dict("records"), strict=True)
        ]
        fig.set_label(f"{comparison.title} against seconds of training, and passes: {'; '.join(said)}.")
    return fig


def seconds_of(methods: Sequence[str], runs: Mapping[str, Sequence[Run]]) -> dict[str, float]:
    """The mean seconds of training of each method; 0 of one without parameters, which has learned nothing.

    Raises:
        ValueError: if one lacks a run.
    """
    missing = [name for name in methods if not runs.get(name)]
    if missing:
        raise ValueError(f"runs: expected one or more of each method, got none of {', '.join(missing)}")
    return {
        name: float(np.mean([run.record.seconds if run.record.parameters else 0 for run in runs[name]]))
        for name in methods
    }


def check_passes(methods: Sequence[str], passes: Mapping[str, int]) -> None:
    """Whether each method's passes are known.

    Raises:
        ValueError: if not, or if one has fewer than none.
    """
    for name in methods:
        if passes.get(name, -1) < 0:
            raise ValueError(f"passes of {name}: expected 0 or more, got {passes.get(name)}")


def short(value: float) -> str:
    """1500 as "1.5k", 2e9 as "2G"."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _points(ax: Any, comparison: Comparison, costs: Sequence[float]) -> list[float]:
    """Draw each method's mean and interval at its cost, with round numbers below; gives where they stand."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    places = apart(costs)
    for index, (x, row) in enumerate(zip(places, comparison.table.to_dict("records"), strict=True)):
        style = look(index)
        mark = {"fmt": style.marker, "markersize": 8, "markeredgecolor": "white", "elinewidth": 1.4}
        ax.errorbar(x, row["mean"], yerr=bars(row), color=style.colour, **mark)
    low, high = min(places), max(places)
    margin = np.exp(_margin(np.log([low, high])))
    ax.set(xscale="log", xlim=(low / margin, high * margin))
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 3.0), numticks=5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    ax.xaxis.set_minor_locator(NullLocator())
    return places


def apart(costs: Sequence[float]) -> list[float]:
    """Places at or near these, in their order, that are `GAP` of the logarithmic axis apart at least."""
    logs = np.log(costs)
    gap = GAP * (np.ptp(logs) + 2 * _margin(logs))
    reach = gap * len(logs)
    return np.exp(spread(logs.tolist(), gap, logs.min() - reach, logs.max() + reach)).tolist()


def _margin(logs: NDArray) -> float:
    """At either end of an axis, which spans a factor of 10 at least: so it has two ticks."""
    return float(max(np.log(1.6), (np.log(10) - np.ptp(logs)) / 2))
