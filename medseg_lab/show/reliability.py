"""Whether a method is right as often as it says it is: the reliability diagram (survey 4)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.show.names import LINE, fitted, row_height
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.calibration import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 1e-3
"""A bin with less than this share of the voxels has a hollow mark: it says little, and weighs little."""


def show_reliability(curves: Mapping[str, Reliability]) -> "Figure":
    """Accuracy against confidence, a line a method; below, how confident the methods are how often.

    A point above the diagonal is right more often than it says. Most voxels are sure, so the lower panel is
    logarithmic, and the expected calibration error, which weighs bins by their voxels, mostly that of the
    last bin.

    Args:
        curves: a method's name to its `Reliability`, those of its cases added up.

    Raises:
        ValueError: for no method, other numbers of bins, or one without a voxel.
    """
    bins = _bins(curves)
    edges = np.linspace(0, 1, bins + 1)
    shares = {name: np.asarray(found.weight / found.weight.sum()) for name, found in curves.items()}
    lowest = min(int(np.flatnonzero(share)[0]) for share in shares.values())
    from matplotlib.lines import Line2D

    short = fitted(list(curves), 22)
    with house():
        fig = canvas(7.0, max(4.6, 0.7 + sum(row_height([name], 0.2) + LINE + 0.02 for name in short)))
        upper, lower = fig.subplots(2, 1, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=(0, (2, 2)))
        lines = [_draw(upper, *curves[name].means, shares[name], index) for index, name in enumerate(curves)]
        for index, share in enumerate(shares.values()):
            style = look(index)
            lower.stairs(share, edges, color=style.colour, linestyle=style.line, linewidth=1.3, baseline=None)
        lower.set(yscale="log", ylim=(min(_least(shares), 0.1) / 2, 1), xlabel="confidence", ylabel="voxels")
        _percent(lower)
        ticks = edges[lowest :: -(-(bins - lowest) // 10)]
        upper.set(xlim=(edges[lowest], 1.01), ylabel="accuracy", xticks=ticks, xticklabels=[""] * len(ticks))
        lower.set(xlim=upper.get_xlim(), xticks=ticks, xticklabels=[f"{tick:.2g}" for tick in ticks])
        upper.set_ylim(min(edges[lowest], _lowest(curves)) - 0.03, 1.03)
        names = [f"{name}\n{curve.ece:.3f}" for name, curve in zip(short, curves.values(), strict=True)]
        if any(((share > 0) & (share < FEW)).any() for share in shares.values()):
            hollow = Line2D([], [], color="#777777", marker="o", markersize=6, linestyle="none")
            hollow.set_markerfacecolor("white")
            lines.append(hollow)
            names.append(f"under {FEW:.1%} of\nthe voxels")
        legend = fig.legend(lines, names, loc="outside right upper", title="expected calibration\nerror")
        legend.set_alignment("left")
        legend.get_title().set_fontsize(9)
        fig.set_label(alt_text(curves))
    return fig


def alt_text(curves: Mapping[str, Reliability]) -> str:
    """Each method's error, and which way its most confident bin errs."""
    said = []
    for name, found in curves.items():
        confidence, accuracy = (np.asarray(mean) for mean in found.means)
        last = int(np.flatnonzero(np.asarray(found.weight))[-1])
        said.append(
            f"{name} {found.ece:.3f}, where surest {accuracy[last]:.1%} right at {confidence[last]:.1%}"
        )
    return f"Accuracy against confidence. Expected calibration error: {'; '.join(said)}."


def _draw(ax: Any, confidence: Any, accuracy: Any, share: NDArray, index: int) -> Any:
    """One method; gives what a legend shows of it."""
    from matplotlib.lines import Line2D

    style, filled = look(index), share > 0
    x, y, few = np.asarray(confidence)[filled], np.asarray(accuracy)[filled], share[filled] < FEW
    (line,) = ax.plot(x, y, color=style.colour, linestyle=style.line, linewidth=1.2)
    for rare, face in ((True, "white"), (False, style.colour)):
        ax.plot(
            *(x[few == rare], y[few == rare], style.marker),
            **{"color": style.colour, "markerfacecolor": face, "markersize": 6},
        )
    shown = {"linestyle": line.get_linestyle(), "marker": style.marker, "markersize": 6}
    return Line2D([], [], color=style.colour, linewidth=1.2, **shown)


def _bins(curves: Mapping[str, Reliability]) -> int:
    if not curves:
        raise ValueError("curves: got none, wanted one or more")
    found = {name: len(curve.weight) for name, curve in curves.items()}
    if len(set(found.values())) > 1:
        said = ", ".join(f"{bins} of {name}" for name, bins in found.items())
        raise ValueError(f"curves: got bins {said}, wanted as many of each")
    for name, curve in curves.items():
        if not curve.weight.sum() > 0:
            raise ValueError(f"curves: got {name} without a voxel, wanted one or more")
    return next(iter(found.values()))


def _lowest(curves: Mapping[str, Reliability]) -> float:
    """The least accuracy of any bin that has voxels."""
    return min(float(np.nanmin(np.asarray(curve.means[1]))) for curve in curves.values())


def _least(shares: Mapping[str, NDArray]) -> float:
    return min(float(share[share > 0].min()) for share in shares.values())


def _percent(ax: Any) -> None:
    """A few decades, as shares in percent."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.yaxis.set_major_locator(LogLocator(numticks=4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    ax.yaxis.set_minor_locator(NullLocator())
