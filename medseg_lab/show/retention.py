"""How fast errors go when an expert looks at the least certain voxels first (survey 4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.show.names import LINE, fitted, row_height
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.error_detection import Retention

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.5, 1)
GREY, LIGHT = "#777777", "#bbbbbb"

Curves = Mapping[str, Retention | Sequence[Retention]]


def show_retention(curves: Curves, ideals: Curves | None = None) -> "Figure":
    """The error rate among the voxels kept, against the share that went to an expert; a line a method.

    The horizontal axis goes by the square root: errors are few, and what matters happens in the first
    hundredths. Areas are those on a plain axis. Handing over at random leaves the error as it is; as methods
    err by different amounts, that is a band from the least to the largest, and so is the ideal order.

    Args:
        curves: a method's name to its `Retention`, or to those of its cases, of which the mean is drawn, as a
            comparison takes the mean of their areas.
        ideals: the same methods to their `oracle`, where the ideal is to be shown.

    Raises:
        ValueError: for no method, curves at other shares, or ideals of other methods.
    """
    if not curves:
        raise ValueError("curves: got none, wanted one or more")
    if ideals is not None and set(ideals) != set(curves):
        raise ValueError(f"ideals: got {', '.join(ideals)}, wanted those of {', '.join(curves)}")
    found = {name: averaged(of) for name, of in curves.items()}
    best = {name: averaged(of) for name, of in (ideals or {}).items()}
    from matplotlib.ticker import PercentFormatter

    short = fitted(list(found), 22)
    with house():
        fig = canvas(7.0, max(3.9, 1.2 + sum(row_height([name], 0.2) + LINE + 0.02 for name in short)))
        ax = fig.add_subplot()
        legend = {}
        for index, (name, curve) in enumerate(zip(short, found.values(), strict=True)):
            legend[f"{name}\n{curve.area:.4f}"] = _line(ax, curve, index)
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
        shown = fig.legend(legend.values(), list(legend), loc="outside right upper", title="area")
        shown.set_alignment("left")
        shown.get_title().set_fontsize(9)
        fig.set_label(alt_text(found, best))
    return fig


def averaged(curves: Retention | Sequence[Retention]) -> Retention:
    """The mean of several cases' curves, whose area is the mean of theirs.

    Raises:
        ValueError: for no curve, or curves at other shares.
    """
    several = [curves] if isinstance(curves, Retention) else list(curves)
    if not several:
        raise ValueError("curves: got a method without one, wanted one or more")
    kept = several[0].kept
    for other in several[1:]:
        if other.kept.shape != kept.shape or not bool((other.kept == kept).all()):
            raise ValueError(
                f"curves: got {len(other.kept)} points beside {len(kept)}, wanted the same shares"
            )
    return Retention(kept, sum(one.error for one in several) / len(several))  # type: ignore[arg-type]


def error_after(curve: Retention, handed: float) -> float:
    """The error rate among those kept after such a share was handed over."""
    return float(np.interp(1 - handed, curve.kept.numpy(), curve.error.numpy()))


def alt_text(curves: Mapping[str, Retention], ideals: Mapping[str, Retention]) -> str:
    """What errors are left after a tenth went to an expert, and the areas."""
    said = []
    for name, curve in curves.items():
        text = f"{name} from {error_after(curve, 0):.2%} to {error_after(curve, 0.1):.2%}"
        if name in ideals:
            text += f", ideally {error_after(ideals[name], 0.1):.2%}"
        said.append(f"{text}, area {curve.area:.4f}")
    return (
        "Errors among the voxels kept, against the share handed to an expert, the least certain first. "
        f"After a tenth: {'; '.join(said)}."
    )


def _line(ax: Any, curve: Retention, index: int) -> Any:
    style = look(index)
    every = {"marker": style.marker, "markevery": (4 + index, 14), "markersize": 5}
    x, y = (1 - curve.kept).numpy(), curve.error.numpy()
    (line,) = ax.plot(x, y, color=style.colour, linestyle=style.line, linewidth=1.4, **every)
    return line


def _band(ax: Any, curves: Sequence[Retention], colour: str) -> Any:
    """From the least to the largest of several curves."""
    errors: NDArray = np.stack([curve.error.numpy() for curve in curves])
    x = (1 - curves[0].kept).numpy()
    return ax.fill_between(
        *(x, errors.min(axis=0), errors.max(axis=0)),
        **{"facecolor": colour, "edgecolor": colour, "alpha": 0.6, "linewidth": 1, "zorder": 1},
    )


def _areas(curves: Sequence[Retention]) -> str:
    """Their areas, from the least to the largest."""
    low, high = (f"{least(curve.area for curve in curves):.4f}" for least in (min, max))
    return low if low == high else f"{low} to {high}"
