"""What a distance says that Dice does not: a good prediction, and a speck far away from it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from medseg_lab.evaluation.metrics import score, surface
from medseg_lab.show.contours import small_title
from medseg_lab.show.first_lesson.voxels import Mask, compared, disc, moved, parts_legend
from medseg_lab.show.style import COLOURS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPE, RADIUS, CENTRE = (48, 112), 20, (24, 23)
SPACING = (1.0, 1.0)
"""Millimetres of a voxel."""


def with_speck(edge: int, away: int) -> tuple[Mask, Mask]:
    """A disc, and a prediction of it: one voxel off, with a square of `edge` voxels `away` from the disc.

    Args:
        edge: voxels of the square's side; 0 for none.
        away: voxels between the right end of the disc and the first column of the square.
    """
    reference = disc(RADIUS, SHAPE, CENTRE)
    prediction = moved(reference, columns=1)
    first, top = CENTRE[1] + RADIUS + away, CENTRE[0] - edge // 2
    prediction[top : top + edge, first : first + edge] = True
    return reference, prediction


def surface_distances(source: Mask, target: Mask) -> NDArray:
    """From each surface voxel of one mask to the nearest of the other, in mm, sorted."""
    away = distance_transform_edt(~surface(target), sampling=SPACING)
    return np.sort(np.asarray(away)[surface(source)])


def far_speck(edge: int, away: int) -> "Figure":
    """A disc and its prediction with a speck; and how far each voxel of the prediction's surface is off.

    For `explore(far_speck, edge=..., away=...)`. Arguments as of `with_speck`.
    """
    reference, prediction = with_speck(edge, away)
    (found,) = score(prediction.astype(np.uint8), reference.astype(np.uint8), 2, SPACING)
    distances = surface_distances(prediction, reference)
    largest = max(float(distances[-1]), float(surface_distances(reference, prediction)[-1]))
    share = float((distances > distances[0] + 2).mean())
    with house():
        fig = canvas(7.0, 3.3)
        left, right = fig.subplots(1, 2, width_ratios=[1.5, 1])
        compared(left, reference, prediction)
        title = f"Dice {found['dice']:.3f},  HD95 {found['hd95']:.1f} mm,  largest {largest:.0f} mm"
        small_title(left, title)
        _sorted(right, distances, found["hd95"], largest)
        fig.legend(handles=parts_legend(), loc="outside lower center", ncols=3)
        fig.set_label(
            f"A disc, its prediction one voxel off, and a speck of {edge} by {edge} voxels {away} mm away, "
            f"{share:.1%} of the prediction's surface. {title}."
        )
    return fig


def _sorted(ax: Any, distances: NDArray, hd95: float, largest: float) -> None:
    """The distances of all surface voxels, from the nearest to the farthest; 95% are left of the line."""
    places = np.linspace(0, 100, len(distances))
    ax.fill_between(places, distances, color="#bbbbbb", step="mid")
    ax.axvline(95, color="black", linestyle=(0, (2, 2)), linewidth=1.2)
    ax.plot(95, hd95, "o", color=COLOURS[1], markersize=8, label="HD95", clip_on=False)
    ax.plot(100, largest, "^", color=COLOURS[0], markersize=8, label="largest", clip_on=False)
    ax.set(xlim=(80, 100.6), ylim=(0, 75), xticks=[80, 85, 90, 95, 100])
    ax.set(xlabel="% of the prediction's surface, sorted", ylabel="mm to the reference")
    ax.legend(loc="upper left", borderaxespad=0)
