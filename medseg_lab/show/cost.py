"""What a method's accuracy costs: parameters, operations, seconds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.show.labels import name_at_right
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = {
    "parameters": "parameters",
    "flops": "FLOPs, forward pass",
    "seconds": "seconds of training",
}


def cost(
    comparison: Comparison, costs: Mapping[str, Mapping[str, float]], axes: Mapping[str, str] | None = None
) -> "Figure":
    """A panel for each cost, the metric upwards with its interval, the cost rightwards on a logarithmic axis.

    The panels share their vertical axis, so a name at the right edge stands for its point in all of them.

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
            raise ValueError(f"costs: {name} has no {', '.join(missing)}; wanted a number above 0")
    with house():
        fig = canvas(7.0, 3.8)
        panels = fig.subplots(1, len(axes), sharey=True, squeeze=False)[0]
        for ax, (key, label) in zip(panels, axes.items(), strict=True):
            for index, name in enumerate(comparison.methods):
                point(ax, costs[name][key], comparison.table.loc[name].to_dict(), index)
            ax.set_xscale("log")
            ticks(ax, [costs[name][key] for name in comparison.methods])
            ax.set_xlabel(label, fontsize=9)
        panels[0].set_ylabel(comparison.title)
        last = [costs[name][list(axes)[-1]] for name in comparison.methods]
        name_at_right(panels[-1], comparison.methods, last, comparison.table["mean"].tolist())
        fig.set_label(alt_text(comparison, costs, axes))
    return fig


def alt_text(
    comparison: Comparison, costs: Mapping[str, Mapping[str, float]], axes: Mapping[str, str]
) -> str:
    """The figure in words."""
    said = [
        f"{name} {mean:.3f} at "
        + ", ".join(f"{short(costs[name][key])} {label}" for key, label in axes.items())
        for name, mean in zip(comparison.methods, comparison.table["mean"].tolist(), strict=True)
    ]
    return f"{comparison.title} against {', '.join(axes.values())}: " + "; ".join(said) + "."


def point(ax: Any, x: float, row: Mapping[Any, float], index: int) -> None:
    """A method's mean and interval."""
    style = look(index)
    ax.plot([x, x], [row["low"], row["high"]], color=style.colour, linewidth=1.4)
    ax.plot(x, row["mean"], style.marker, color=style.colour, markeredgecolor="white", markersize=8)


def ticks(ax: Any, values: Sequence[float]) -> None:
    """Two to four round numbers, written with k, M, G."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    ax.set_xlim(min(values) / 1.6, max(values) * 1.6)
    decades = max(values) / min(values)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 30 else (1.0, 3.0), numticks=5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """1500 as "1.5k", 2e9 as "2G"."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
