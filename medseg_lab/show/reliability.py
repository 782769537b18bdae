"""The reliability diagram: whether a method is right as often as it is confident (survey 4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.show.names import LINE, fitted, row_height
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.calibration import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 1e-3
"""A bin with less than this share of the voxels has a hollow mark: it hardly changes the error."""


def show_reliability(curves: Mapping[str, Reliability]) -> "Figure":
    """Accuracy against confidence, a line for each method; below, the share of the voxels in each bin.

    Above the diagonal a method is right more often than it is confident. Most voxels are in the last bin:
    the lower panel is logarithmic, and the expected calibration error, which weighs bins by their voxels, is
    mostly that of the last one.

    Args:
        curves: a method's name to its `Reliability`, those of its cases added up.

    Raises:
        ValueError: for no method, different numbers of bins, or a method without a voxel.
    """
    _check(curves)
    bins = len(next(iter(curves.values())).weight)
    edges = np.linspace(0, 1, bins + 1)
    shares = {name: np.asarray(found.weight / found.weight.sum()) for name, found in curves.items()}
    points = {name: np.stack([np.asarray(mean) for mean in found.means]) for name, found in curves.items()}
    lowest = min(int(np.flatnonzero(share)[0]) for share in shares.values())
    from matplotlib.lines import Line2D

    short = fitted(list(curves), 22)
    with house():
        fig = canvas(7.0, max(4.6, 0.7 + legend_height(short)))
        upper, lower = fig.subplots(2, 1, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=(0, (2, 2)))
        legend = {}
        for index, (name, share) in enumerate(shares.items()):
            style = look(index)
            line: dict[str, Any] = {"color": style.colour, "linestyle": style.line}
            marks: dict[str, Any] = {"marker": style.marker, "markersize": 6}
            upper.plot(*points[name][:, share > 0], **line, linewidth=1.2)
            for chosen, face in (((share > 0) & (share < FEW), "white"), (share >= FEW, style.colour)):
                (rare,) = upper.plot(
                    *points[name][:, chosen], color=style.colour, markerfacecolor=face, **marks
                )
                rare.set_linestyle("none")
            lower.stairs(share, edges, **line, linewidth=1.3, baseline=None)
            legend[f"{short[index]}\n{curves[name].ece:.3f}"] = Line2D([], [], **line, **marks, linewidth=1.2)
        if any(((share > 0) & (share < FEW)).any() for share in shares.values()):
            hollow = Line2D([], [], color="#777777", marker="o", markersize=6, linestyle="none")
            hollow.set_markerfacecolor("white")
            legend[f"under {FEW:.1%} of\nthe voxels"] = hollow
        ticks = edges[lowest :: -(-(bins - lowest) // 10)]
        accuracies = [
            of[1][share > 0].min() for of, share in zip(points.values(), shares.values(), strict=True)
        ]
        upper.set(xlim=(edges[lowest], 1.01), ylim=(min(edges[lowest], *accuracies) - 0.03, 1.03))
        upper.set(ylabel="accuracy", xticks=ticks, xticklabels=[""] * len(ticks))
        lower.set(xlim=upper.get_xlim(), xticks=ticks, xticklabels=[f"{tick:.2g}" for tick in ticks])
        least = min(share[share > 0].min() for share in shares.values())
        lower.set(yscale="log", ylim=(min(least, 0.1) / 2, 1), xlabel="confidence", ylabel="voxels")
        _percent(lower)
        side_legend(fig, legend, "expected calibration\nerror")
        fig.set_label(alt_text(curves))
    return fig


def alt_text(curves: Mapping[str, Reliability]) -> str:
    """Each method's error, and which way its most confident bin errs."""
    said = []
    for name, found in curves.items():
        confidence, accuracy = (np.asarray(mean) for mean in found.means)
        last = int(np.flatnonzero(np.asarray(found.weight))[-1])
        said.append(
            f"{name} {found.ece:.3f}, most confident bin {accuracy[last]:.1%} right at {confidence[last]:.1%}"
        )
    return f"Accuracy against confidence. Expected calibration error: {'; '.join(said)}."


def legend_height(names: Sequence[str]) -> float:
    """Inches that `side_legend` needs for names as `fitted` gives them, with a number below each."""
    return sum(row_height([name], 0.2) + LINE + 0.02 for name in names)


def side_legend(fig: "Figure", entries: Mapping[str, Any], title: str) -> None:
    """Draw a legend right of all panels: what is said of each entry to what is drawn of it."""
    fig.legend(
        *(entries.values(), list(entries)),
        loc="outside right upper",
        title=title,
        title_fontsize=9,
        alignment="left",
    )


def _check(curves: Mapping[str, Reliability]) -> None:
    if not curves:
        raise ValueError("curves: expected one or more, got none")
    bins = {name: len(curve.weight) for name, curve in curves.items()}
    if len(set(bins.values())) > 1:
        said = ", ".join(f"{count} for {name}" for name, count in bins.items())
        raise ValueError(f"curves: expected the same number of bins for all methods, got {said}")
    for name, curve in curves.items():
        if not curve.weight.sum() > 0:
            raise ValueError(f"curves: expected one voxel or more for {name}, got none")


def _percent(ax: Any) -> None:
    """A few decades, as shares in percent."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.yaxis.set_major_locator(LogLocator(numticks=4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    ax.yaxis.set_minor_locator(NullLocator())
