"""A metric against the number of labelled patients: what more labels buy, and what a method saves of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval
from medseg_lab.show.names import better, fitted
from medseg_lab.show.style import bars, canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_NEIGHBOURS, OF_ALL = 0.33, 0.09
"""The marks at a count spread so far to either side, as a share of the distance between the nearest counts,
and of that between the outermost ones, whichever is less."""


def label_curve(comparisons: Mapping[int, Comparison], counted: str = "labelled patients") -> "Figure":
    """A line a method, with 95% intervals; the number of labelled patients rightwards, logarithmic.

    At a count, methods stand side by side, a little apart, so that their intervals can be told apart.

    Args:
        comparisons: a number of labelled patients to the methods' results with so many, on the same cases.
            A method need not be there at every count.
        counted: what the numbers are of, if not of labelled patients.

    Raises:
        ValueError: for no comparison, a count below 1, or comparisons of other metrics or cases.
    """
    check(comparisons)
    methods = methods_of(comparisons)
    with house():
        fig = canvas(7.0, max(3.6, 1.0 + 0.24 * len(methods)))
        ax = fig.add_subplot()
        lines = against_count(ax, comparisons, methods)
        ax.set(xlabel=counted)
        ax.set_ylabel(better(next(iter(comparisons.values()))))
        fig.legend(lines.values(), fitted(methods, 24), loc="outside right upper", handlelength=3.2)
        fig.set_label(alt_text(comparisons, counted))
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
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    counts, lines = sorted(comparisons), {}
    ax.set_xscale("log")
    reach = spread(counts) if len(methods) > 1 else 0.0
    for index, (name, shift) in enumerate(
        zip(methods, np.linspace(-reach, reach, len(methods)), strict=True)
    ):
        there = [count for count in counts if name in comparisons[count].methods]
        if not there:
            continue
        style, rows = look(index), [comparisons[count].table.loc[name].to_dict() for count in there]
        lines[name] = ax.errorbar(
            *(np.exp(shift) * np.array(there), [row["mean"] for row in rows]),
            yerr=np.hstack([bars(row) for row in rows]),
            color=style.colour,
            linestyle=style.line,
            linewidth=1.1,
            elinewidth=1.2,
            marker=style.marker,
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.6,
        ).lines[0]
    # The counts themselves, each with a grey band behind its marks.
    band = np.exp(1.25 * spread(counts))
    for count in counts:
        ax.axvspan(count / band, count * band, color="#f5f5f5", linewidth=0, zorder=0)
    ax.set(xlim=(counts[0] / band**1.2, counts[-1] * band**1.2), xlabel="labelled patients")
    ax.xaxis.set_major_locator(FixedLocator(list(counts)))
    ax.xaxis.set_major_formatter(FixedFormatter([str(count) for count in counts]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(axis="x", visible=False)
    return lines


def alt_text(comparisons: Mapping[int, Comparison], counted: str = "labelled patients") -> str:
    """Each count's means and intervals in words."""
    said = []
    for count, found in sorted(comparisons.items()):
        rows = found.table.to_dict("index")
        means = [f"{name} {with_interval(row, digits=found.digits)}" for name, row in rows.items()]
        said.append(f"With {count}: {', '.join(means)}.")
    return f"{found.title} against the number of {counted}, with 95% intervals. {' '.join(said)}"


def spread(counts: Sequence[int]) -> float:
    """How far from a count, as a difference of logarithms, the outermost methods stand."""
    if len(counts) == 1:
        return 0.1
    steps = np.diff(np.log(counts))
    return float(min(OF_NEIGHBOURS * steps.min(), OF_ALL * steps.sum()))


def check(comparisons: Mapping[int, Comparison]) -> None:
    """Whether these can be one curve.

    Raises:
        ValueError: as `label_curve`.
    """
    if not comparisons:
        raise ValueError("comparisons: expected one or more, got none")
    if min(comparisons) < 1:
        raise ValueError(f"comparisons: expected 1 labelled patient or more, got {min(comparisons)}")
    (count, first), *others = comparisons.items()
    for other_count, other in others:
        for what, name in (
            ("metric", "metric"),
            ("part", "part"),
            ("cases", "judged"),
            ("classes", "classes"),
        ):
            if getattr(first, name) != getattr(other, name):
                raise ValueError(
                    f"comparisons: expected the same {what} with {other_count} labelled patients as with "
                    f"{count}, got others"
                )
