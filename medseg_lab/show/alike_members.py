"""Averaging on paper: members whose errors are more or less alike."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medseg_lab.show.contours import CONTOURS, Cut, line_handles, outline, panel, small_title
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, RADIUS, SMOOTH = 96, 24, 4.0
"""Pixels of the image, of the disc, and of the noise."""
STEEP, STRENGTH = 0.25, 1.6
"""Logits a pixel across the border of the disc, and the standard deviation of the error."""
LOOKS = {"truth": CONTOURS[0], "prediction": CONTOURS[1]}


def alike_members(members: int, alike: float) -> "Figure":
    """A disc, drawn by members that err: two of them, and the mean of all.

    A member's logits are those of the disc and an error, a smooth random field. Errors of any two members
    correlate by `alike`, so the variance of the mean of their errors is alike + (1 - alike) / members of that
    of one: the first part can never be averaged away. Probabilities are averaged, as in an ensemble.

    Args:
        members: how many are averaged, 1 to 16.
        alike: correlation of their errors, 0 to 1.
    """
    truth, found = disc() > 0, probabilities(members, alike)
    shown = {"one member": found[0], "another": found[1], f"mean of {members}": found[:members].mean(axis=0)}
    left = alike + (1 - alike) / members
    with house():
        fig = canvas(7.0, 3.0)
        said = []
        for ax, (name, map_) in zip(fig.subplots(1, 3), shown.items(), strict=True):
            value = dice(map_ > 0.5, truth)
            panel(ax, Cut(map_, {}, 1.0, (0.0, 1.0)), "", 0)
            outline(ax, truth, LOOKS["truth"], 1.5)
            outline(ax, map_ > 0.5, LOOKS["prediction"], 1.5)
            small_title(ax, f"{name}: Dice {value:.2f}")
            said.append(f"{name} {value:.2f}")
        fig.suptitle(f"{left:.0%} of the errors' variance is left", fontsize=10)
        fig.legend(handles=line_handles(LOOKS, list(LOOKS.values())), loc="outside lower center", ncols=2)
        fig.set_label(
            f"A disc segmented by members whose errors correlate by {alike:g}: Dice {', '.join(said)}. "
            f"{left:.0%} of the errors' variance is left in the mean."
        )
    return fig


def disc() -> NDArray[np.float64]:
    """The signed distance to the border of the disc, positive inside."""
    rows, columns = np.indices((EDGE, EDGE)) - (EDGE - 1) / 2
    distance: NDArray[np.float64] = RADIUS - np.hypot(rows, columns)
    return distance


@cache
def fields(most: int = 16) -> NDArray[np.float64]:
    """Smooth random fields of variance 1: the error that all share, and one for each member."""
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(most + 1, EDGE, EDGE)), (0, SMOOTH, SMOOTH), mode="wrap")
    found: NDArray[np.float64] = noise / noise.std(axis=(1, 2), keepdims=True)
    return found


def probabilities(members: int, alike: float) -> NDArray[np.float64]:
    """Of the disc, by each of two members or more, `(M, H, W)`."""
    shared, *own = fields()
    errors = np.sqrt(alike) * shared + np.sqrt(1 - alike) * np.stack(own[: max(2, members)])
    found: NDArray[np.float64] = 1 / (1 + np.exp(-STEEP * disc() - STRENGTH * errors))
    return found


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Of two masks."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
