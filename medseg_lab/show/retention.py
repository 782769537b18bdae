"""The error-retention curve: how fast errors go when an expert takes the most uncertain voxels (survey 4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.show.names import fitted
from medseg_lab.show.reliability import legend_height, side_legend
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.error_detection import Retention

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.5, 1)
GREY, LIGHT = "#777777", "#bbbbbb"

Curves = Mapping[str, Retention | Sequence[Retention]]


def show_retention(curves: Curves, ideals: Curves | None = None) -> "Figure":
    """The error rate among the voxels kept, against the share handed to an expert; a line for each method.

    The horizontal axis is a square root, as errors are few and lie in the first hundredths. Areas are those
    on a plain axis. Random order leaves the error rate as it is; as methods have different ones, that is a
    band from the lowest to the highest, and so is the ideal order.

    Args:
        curves: a method's name to its `Retention`, or to those of its cases, of which the mean is drawn, as a
            comparison takes the mean of their areas.
        ideals: the same methods to their `oracle`, where the ideal is to be shown.

    Raises:
        ValueError: for no method, curves at different shares, or ideals of other methods.
    """
    if not curves:
        raise ValueError("curves: expected one or more, got none")
    if ideals is not None and set(ideals) != set(curves):
        raise ValueError(f"ideals: expected those of {', '.join(curves)}, got {', '.join(ideals)}")
    found = {name: averaged(of) for name, of in curves.items()}
    best = {name: averaged(of) for name, of in (ideals or {}).items()}
    from matplotlib.ticker import PercentFormatter

    short = fitted(list(found), 22)
    with house():
        fig = canvas(7.0, max(3.9, 1.2 + legend_height(short)))
        ax = fig.add_subplot()
        legend: dict[str, Any] = {}
        for index, (name, curve) in enumerate(zip(short, found.values(), strict=True)):
            style = look(index)
            line: dict[str, Any] = {"color": style.colour, "linestyle": style.line, "linewidth": 1.4}
            marks: dict[str, Any] = {"marker": style.marker, "markevery": (4 + index, 14), "markersize": 5}
            (drawn,) = ax.plot(1 - curve.kept, curve.error, **line, **marks)
            legend[f"{name}\n{curve.area:.4f}"] = drawn
        level = [Retention(one.kept, one.error[-1].expand(len(one.error))) for one in found.values()]
        legend[f"in random order\n{_areas(level)}"] = _band(ax, level, GREY)
        if best:
            legend[f"errors first\n{_areas(list(best.values()))}"] = _band(ax, list(best.values()), LIGHT)
        ax.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
        ax.set(xlim=(0, 1), xlabel="voxels handed to an expert", ylabel="errors among the voxels kept")
        ax.set_ylim(bottom=0)
        ax.set_xticks(TICKS)
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        side_legend(fig, legend, "area")
        fig.set_label(alt_text(found, best))
    return fig


def averaged(curves: Retention | Sequence[Retention]) -> Retention:
    """The mean of several cases' curves, whose area is the mean of theirs.

    Raises:
        ValueError: for no curve, or curves at different shares.
    """
    several = [curves] if isinstance(curves, Retention) else list(curves)
    if not several:
        raise ValueError("curves: expected one or more for each method, got none")
    kept = several[0].kept
    for other in several[1:]:
        if not np.array_equal(other.kept, kept):
            raise ValueError("curves: expected the same shares for all cases, got different ones")
    return Retention(kept, sum(one.error for one in several) / len(several))  # type: ignore[arg-type]


def error_after(curve: Retention, handed: float) -> float:
    """The error rate among those kept after such a share was handed over."""
    return float(np.interp(1 - handed, curve.kept.numpy(), curve.error.numpy()))


def alt_text(curves: Mapping[str, Retention], ideals: Mapping[str, Retention]) -> str:
    """The errors that remain after a tenth went to an expert, and the areas."""
    said = []
    for name, curve in curves.items():
        text = f"{name} from {error_after(curve, 0):.2%} to {error_after(curve, 0.1):.2%}"
        if name in ideals:
            text += f", ideally {error_after(ideals[name], 0.1):.2%}"
        said.append(f"{text}, area {curve.area:.4f}")
    return (
        "Errors among the voxels kept, against the share handed to an expert, the most uncertain first. "
        f"After a tenth: {'; '.join(said)}."
    )


def _band(ax: Any, curves: Sequence[Retention], colour: str) -> Any:
    """From the lowest to the highest of several curves."""
    errors = np.stack([curve.error.numpy() for curve in curves])
    return ax.fill_between(
        *(1 - curves[0].kept, errors.min(axis=0), errors.max(axis=0)),
        **{"facecolor": colour, "edgecolor": colour, "alpha": 0.6, "linewidth": 1, "zorder": 1},
    )


def _areas(curves: Sequence[Retention]) -> str:
    """Their areas, from the lowest to the highest."""
    low, high = (f"{least(curve.area for curve in curves):.4f}" for least in (min, max))
    return low if low == high else f"{low} to {high}"
