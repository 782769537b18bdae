"""What a seed decides: two methods, trained several times, of which a reader sees the first few."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.crossed import estimate
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def seeds_seen(dice: Mapping[str, NDArray]) -> Callable[..., "Figure"]:
    """A function that draws two methods' trainings, of which the first few count.

    For `explore(seeds_seen(dice), seeds=range(1, n + 1))`. The interval of the difference is that of every
    table of this book: over trainings and patients (`medseg_lab.evaluation.crossed`).

    Args:
        dice: of two methods by name, `(S, P)`, of as many seeds and the same patients
            (`Comparison.of_patients`).

    Raises:
        ValueError: for another number of methods.
    """
    if len(dice) != 2:
        raise ValueError(f"dice: expected 2 methods, got {len(dice)}")
    (first, a), (second, b) = dice.items()

    def draw(seeds: int) -> "Figure":
        found = estimate((a - b)[None, :seeds])
        mean, low, high = (float(value[0]) for value in found[:3])
        said = _said(first, second, mean)
        of_seeds = counted(seeds, "training")
        interval = "none: one patient" if np.isnan(low) else f"[{low:+.3f}, {high:+.3f}]"
        with house():
            fig = canvas(7.0, 3.4)
            left, right = fig.subplots(1, 2, width_ratios=[1.6, 1])
            _trainings(left, dice, seeds)
            small_title(left, f"{of_seeds} of each method: {said}")
            _difference(right, a - b, seeds)
            small_title(right, f"difference, 95% interval\n{interval}")
            right.set_ylabel(f"Dice: {first} − {second}", fontsize=9)
            fig.set_label(
                f"Dice of {first} and {second} after {of_seeds} of each: {said}. 95% interval of the "
                f"difference: {interval}."
            )
        return fig

    return draw


def _said(first: str, second: str, difference: float) -> str:
    if difference == 0:
        return "both alike"
    return f"{first if difference > 0 else second} leads by {abs(difference):.3f}"


def _trainings(ax: Any, dice: Mapping[str, NDArray], seeds: int) -> None:
    """The mean of each training over patients; those that are not seen yet are pale and hollow."""
    for number, (name, values) in enumerate(dice.items()):
        drawn, means = look(number), values.mean(axis=1)
        places = np.arange(len(means)) + 0.16 * (number - 0.5)
        style = {"color": drawn.colour, "linestyle": "none", "marker": drawn.marker}
        ax.plot(places[seeds:], means[seeds:], **style, markerfacecolor="none", alpha=0.3)
        ax.plot(places[:seeds], means[:seeds], **style, label=name)
        ax.axhline(means[:seeds].mean(), color=drawn.colour, linestyle=drawn.line, linewidth=1.4)
    ax.set(xticks=range(len(means)), xlim=(-0.5, len(means) - 0.5), xlabel="seed", ylabel="Dice")
    every = np.concatenate([values.mean(axis=1) for values in dice.values()])
    room = max(np.ptp(every), 0.004)
    # room for the legend above
    ax.set_ylim(every.min() - 0.15 * room, every.max() + 0.45 * room)
    ax.legend(loc="upper left", ncols=2, columnspacing=1.0, handletextpad=0.2, borderaxespad=0)


def _difference(ax: Any, differences: NDArray, seeds: int) -> None:
    """The mean difference after 1, 2, ... trainings, each with its interval; the last one is now."""
    numbers = range(1, len(differences) + 1)
    found = [estimate(differences[None, :n]) for n in numbers]
    ends = np.array([[one.mean[0], one.low[0], one.high[0]] for one in found])
    for n, (mean, low, high) in zip(numbers[:seeds], ends, strict=False):
        style = {"color": "black"} if n == seeds else {"color": "#888888", "alpha": 0.45}
        ax.plot([n, n], [low, high], **style, linewidth=2)
        ax.plot(n, mean, "o", **style, markersize=6)
    # that of two trainings may be so long that it hides all others
    reach = 1.15 * max(float(np.nanmax(np.abs(np.delete(ends, [1] if len(ends) > 2 else [], axis=0)))), 0.004)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlim=(0.5, len(found) + 0.5), xticks=numbers, xlabel="trainings seen", ylim=(-reach, reach))
