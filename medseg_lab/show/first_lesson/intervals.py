"""What an interval promises: many samples of patients, and how often their interval holds the mean of all."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.crossed import Estimate, estimate
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN, SHOWN = 2000, 40
HELD, MISSED = COLOURS[0], COLOURS[1]


def drawn_samples(values: NDArray, patients: int, seed: int = 0) -> tuple[Estimate, NDArray[np.bool_]]:
    """Samples of so many patients, drawn with replacement: their estimates, and which hold the mean of all.

    Args:
        values: `(P,)`, one for each patient: all that there are.
        patients: in a sample.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    found = estimate(rng.choice(values, (DRAWN, 1, patients)))
    truth, rounding = values.mean(), 1e-9
    return found, (found.low <= truth + rounding) & (truth - rounding <= found.high)


def many_intervals(values: NDArray) -> Callable[..., "Figure"]:
    """A function that draws the intervals of 40 samples of patients, and counts 2,000.

    For `explore(many_intervals(values), patients=(2, 3, 5, 10, 20, 50))`.

    Args:
        values: `(P,)`, the Dice of each patient.
    """
    truth = float(values.mean())
    low, high = float(values.min()), float(values.max())
    room = 0.25 * max(high - low, 0.01)

    def draw(patients: int) -> "Figure":
        found, holds = drawn_samples(values, patients)
        length = float(np.median(found.high - found.low))
        title = f"{counted(patients, 'patient')}: {holds.mean():.0%} of {DRAWN:,} hold the mean of all"
        with house():
            fig = canvas(7.0, 3.6)
            left, right = fig.subplots(1, 2, width_ratios=[1, 2.2], sharey=True)
            left.hist(
                values,
                bins=np.linspace(low, max(high, low + 1e-6), 13),
                orientation="horizontal",
                color="#bbbbbb",
            )
            left.axhline(truth, color="black", linewidth=1.4)
            left.xaxis.get_major_locator().set_params(integer=True)
            left.set(xlabel="patients", ylabel="Dice")
            small_title(left, f"all {len(values)}, mean {truth:.3f}")
            _intervals(right, found, holds)
            right.axhline(truth, color="black", linewidth=1.4)
            right.set(xlabel=f"{SHOWN} samples", xticks=[], ylim=(low - room, high + room))
            small_title(right, title)
            fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
            fig.set_label(f"{title}; a half of the intervals is longer than {length:.3f}.")
        return fig

    return draw


def _intervals(ax: Any, found: Estimate, holds: NDArray[np.bool_]) -> None:
    looks = ((True, HELD, "o", "holds it", "-"), (False, MISSED, "X", "misses it", (0, (4, 1))))
    for kind, colour, marker, name, line in looks:
        places = np.flatnonzero(holds[:SHOWN] == kind)
        ax.vlines(places, found.low[places], found.high[places], color=colour, linestyle=line, linewidth=1.6)
        ax.plot(places, found.mean[places], marker, color=colour, markersize=4.5, label=name)
