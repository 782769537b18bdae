"""A metric against the number of labelled patients: what more labels buy, and what a method saves of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_NEIGHBOURS, OF_ALL = 0.33, 0.09
"""The marks at a count spread so far to either side, as a share of the distance between the nearest counts,
and of that between the outermost ones, whichever is less."""


def label_curve(comparisons: Mapping[int, Comparison]) -> "Figure":
    """A line a method, with 95% intervals; the number of labelled patients rightwards, logarithmic.

    At a count, methods stand side by side, a little apart, so that their intervals can be told apart.

    Args:
        comparisons: a number of labelled patients to the methods' results with so many, on the same cases.
            A method need not be there at every count.

    Raises:
        ValueError: for no comparison, a count below 1, or comparisons of other metrics or cases.
    """
    check(comparisons)
    first, methods = next(iter(comparisons.values())), methods_of(comparisons)
    with house():
        fig = canvas(7.0, max(3.6, 1.0 + 0.24 * len(methods)))
        ax = fig.add_subplot()
        lines = against_count(ax, comparisons, methods)
        better = "lower is better" if first.lower_is_better else "higher is better"
        ax.set_ylabel(f"{first.title}; {better}")
        fig.legend(lines.values(), fitted(methods, 24), loc="outside right upper", handlelength=3.2)
        fig.set_label(alt_text(comparisons))
    return fig


def methods_of(comparisons: Mapping[int, Comparison]) -> list[str]:
    """All that are there at any count, those of the smallest count first."""
    return list(dict.fromkeys(name for count in sorted(comparisons) for name in comparisons[count].methods))


def against_count(ax: Any, comparisons: Mapping[int, Comparison], methods: Sequence[str]) -> dict[str, Any]:
    """Draw the lines of `label_curve` on a panel; gives what a legend shows of each method.

    Args:
        comparisons: as in `label_curve`.
        methods: those of the whole figure, which have the same looks on all its panels.
    """
    counts = sorted(comparisons)
    ax.set_xscale("log")
    span = spread(counts) if len(methods) > 1 else 0.0
    lines = {}
    for index, name in enumerate(methods):
        shift = np.exp(span * (2 * index / max(len(methods) - 1, 1) - 1))
        rows = {n: comparisons[n].table.loc[name] for n in counts if name in comparisons[n].methods}
        if rows:
            lines[name] = _draw(ax, {n * shift: row.to_dict() for n, row in rows.items()}, index)
    _ticks(ax, counts)
    ax.set_xlabel("labelled patients")
    return lines


def alt_text(comparisons: Mapping[int, Comparison]) -> str:
    """Each count's means and intervals in words."""
    said = []
    for count in sorted(comparisons):
        found = comparisons[count]
        rows = found.table.to_dict("index")
        means = [f"{name} {with_interval(row, digits=found.digits)}" for name, row in rows.items()]
        said.append(f"With {count}: {', '.join(means)}.")
    first = next(iter(comparisons.values()))
    return f"{first.title} against the number of labelled patients, with 95% intervals. {' '.join(said)}"


def spread(counts: Sequence[int]) -> float:
    """How far from a count, as a difference of logarithms, the outermost methods stand."""
    if len(counts) == 1:
        return 0.1
    steps = np.diff(np.log(counts))
    return float(min(OF_NEIGHBOURS * steps.min(), OF_ALL * steps.sum()))


def _draw(ax: Any, rows: Mapping[float, Mapping[Any, float]], index: int) -> Any:
    """One method; gives what a legend shows of it."""
    style = look(index)
    x, y = list(rows), [row["mean"] for row in rows.values()]
    (line,) = ax.plot(
        *(x, y),
        color=style.colour,
        linestyle=style.line,
        linewidth=1.1,
        marker=style.marker,
        markersize=7,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )
    for place, row in rows.items():
        ax.plot([place] * 2, [row["low"], row["high"]], color=style.colour, linewidth=1.2)
    return line


def _ticks(ax: Any, counts: Sequence[int]) -> None:
    """The counts themselves, each with a grey band behind its marks."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    band = np.exp(1.25 * spread(counts))
    for count in counts:
        ax.axvspan(count / band, count * band, color="#f5f5f5", linewidth=0, zorder=0)
    ax.set_xlim(counts[0] / band**1.2, counts[-1] * band**1.2)
    ax.xaxis.set_major_locator(FixedLocator(list(counts)))
    ax.xaxis.set_major_formatter(FixedFormatter([str(count) for count in counts]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(axis="x", visible=False)


def check(comparisons: Mapping[int, Comparison]) -> None:
    """Whether these can be one curve.

    Raises:
        ValueError: as `label_curve`.
    """
    if not comparisons:
        raise ValueError("comparisons: got none, wanted one or more")
    if min(comparisons) < 1:
        raise ValueError(f"comparisons: got {min(comparisons)} labelled patients, wanted 1 or more")
    first, *others = comparisons.items()
    for count, other in others:
        for what in ("metric", "part", "cases", "classes"):
            one, two = getattr(first[1], what), getattr(other, what)
            if one != two:
                raise ValueError(
                    f"comparisons: got other {what} with {count} labelled patients than with {first[0]}, "
                    "wanted the same"
                )
