"""The three assumptions of semi-supervised learning (survey 3), drawn on two moons of points."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.semi.noise import CLIP
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show.contours import small_title
from medseg_lab.show.moons import CONSISTENCY, TASK, Moons, judged, learned, neighbours, spread, two_moons
from medseg_lab.show.style import COLOURS, MARKERS, canvas, house
from medseg_lab.training.supervised import Supervised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 0.2
"""Standard deviation of the kernel that gives the points' density."""

BOUNDARIES: tuple[Any, Any] = ((0, (4, 1.5)), "-")
"""Dashed, what was learned from labels alone."""
FINE = 121


def assumptions(seed: int = 1) -> "Figure":
    """Six labels on two moons: what they teach alone, and what hundreds of points without labels add.

    Left, a network that learns from the labelled points alone. Middle, the same network with the same first
    weights as a Pi-model: near points must be judged alike (smoothness), so its boundary moves to where
    points are rare (low density). Right, no network: points are joined to their neighbours, and labels
    spread along the joints (manifold).

    Each title has the share of the unlabelled points that are classified rightly. One draw of points and
    labels is shown; `medseg_lab.show.moons` has the shares over ten.

    Args:
        seed: of the points, of which ones are labelled, and of the training.
    """
    moons = two_moons(seed)
    alone, pi = learned(moons, Supervised), learned(moons, PiModel, **CONSISTENCY)
    classes = {
        "labels alone": judged(alone, moons.points) > 0.5,
        "Pi-model": judged(pi, moons.points) > 0.5,
        "label spreading": spread(moons),
    }
    right = {name: moons.right(found) for name, found in classes.items()}
    axes = _grid(moons.points)
    at = np.stack(axes, -1).reshape(-1, 2)
    maps = [judged(learner, at).reshape(FINE, FINE) for learner in (alone, pi)]
    with house():
        x, y = (edge.max() for edge in axes)
        fig = canvas(7.0, 1.05 + 2.25 * y / x)
        panels = fig.subplots(1, 3, sharex=True, sharey=True)
        _network(panels[0], axes, maps[0])
        crossed = _densities(panels[1], axes, maps, moons.points)
        _graph(panels[2], moons.points, np.asarray(classes["label spreading"]))
        heads = ("no assumption\n", "smoothness, low density\n", "manifold\n")
        for ax, head, (name, share) in zip(panels, heads, right.items(), strict=True):
            small_title(ax, f"{head}{name}: {share:.1%} right")
            _points(ax, moons)
            ax.set(xticks=[], yticks=[], xlim=(-x, x), ylim=(-y, y), box_aspect=y / x, anchor="S")
        _legend(fig, crossed)
        fig.set_label(alt_text(moons, right, crossed))
    return fig


def alt_text(moons: Moons, right: dict[str, float], crossed: list[float]) -> str:
    """The figure in words."""
    said = ", ".join(f"{name} {share:.1%}" for name, share in right.items())
    alone, pi = crossed
    return (
        f"Two moons of {len(moons.points)} points, {len(moons.labelled)} of them labelled. Unlabelled points "
        f"classified rightly: {said}. The density of the points on the boundary, over the mean at points, is "
        f"{alone:.2f} for the network that learned from labels alone and {pi:.2f} for the Pi-model."
    )


def density(points: NDArray, at: NDArray) -> NDArray:
    """The density of `points` (n, 2) at `at` (m, 2), over its mean at the points themselves: `(m,)`."""
    from sklearn.neighbors import KernelDensity

    kernel = KernelDensity(bandwidth=WIDTH).fit(points)
    found: NDArray = np.exp(kernel.score_samples(at)) / np.exp(kernel.score_samples(points)).mean()
    return found


def _grid(points: NDArray) -> list[NDArray]:
    edges = np.abs(points).max(axis=0) + 0.3
    return list(np.meshgrid(*(np.linspace(-edge, edge, FINE) for edge in edges)))


def _network(ax: Any, axes: list[NDArray], found: NDArray) -> None:
    ax.contourf(*axes, found, [0, 0.5, 1], colors=[COLOURS[0], COLOURS[1]], alpha=0.12)
    ax.contour(*axes, found, [0.5], colors="black", linestyles=[BOUNDARIES[0]], linewidths=1.3)


def _densities(ax: Any, axes: list[NDArray], maps: list[NDArray], points: NDArray) -> list[float]:
    """Both boundaries on the points' density; gives the mean density along each."""
    dense = density(points, np.stack(axes, -1).reshape(-1, 2)).reshape(FINE, FINE)
    ax.contourf(*axes, dense, [0.1, 0.3, 0.6, 0.9, 1.2, 3], cmap="Greys", vmin=-0.5, vmax=3)
    crossed = []
    for found, line in zip(maps, BOUNDARIES, strict=True):
        drawn = ax.contour(*axes, found, [0.5], colors="black", linestyles=[line], linewidths=1.3)
        crossed.append(float(density(points, along(drawn.get_paths())).mean()))
    _reach(ax, [edge.max() for edge in axes])
    return crossed


def _reach(ax: Any, corner: list[float]) -> None:
    """How far the noise moves a point, in the lower right corner."""
    from matplotlib.patches import Rectangle

    x, y = corner[0] - 0.4, -corner[1] + 0.4
    ax.add_patch(Rectangle((x - CLIP, y - CLIP), 2 * CLIP, 2 * CLIP, fill=False, linewidth=0.9))
    ax.plot(x, y, ".", color="#666666", markersize=2.2, markeredgewidth=0)
    ax.text(x - CLIP - 0.1, y, "reach of noise", fontsize=8, ha="right", va="center")


def along(paths: list[Any], step: float = 0.02) -> NDArray:
    """Points at even distances along matplotlib's paths: `(n, 2)`."""
    found = []
    for path in paths:
        for line in path.to_polygons(closed_only=False):
            lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
            places = np.arange(0, lengths[-1], step)
            found.append(np.stack([np.interp(places, lengths, axis) for axis in line.T], axis=1))
    return np.concatenate(found)


def _graph(ax: Any, points: NDArray, classes: NDArray) -> None:
    from matplotlib.collections import LineCollection

    first, second = np.nonzero(np.triu(neighbours(points)))
    same = classes[first] == classes[second]
    colours = np.where(same, np.array(COLOURS)[classes[first]], "#000000")
    lines = np.stack([points[first], points[second]], axis=1)
    ax.add_collection(LineCollection(list(lines), colors=list(colours), linewidths=0.5, alpha=0.7))


def _points(ax: Any, moons: Moons) -> None:
    ax.plot(*moons.points[moons.unlabelled].T, ".", color="#666666", markersize=2.2, markeredgewidth=0)
    for k in (0, 1):
        chosen = moons.labelled[moons.truth[moons.labelled] == k]
        ax.plot(
            *moons.points[chosen].T,
            MARKERS[k],
            color=COLOURS[k],
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1,
            linestyle="none",
        )


def _legend(fig: "Figure", crossed: list[float]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[k], marker=MARKERS[k], linestyle="none", label=f"labelled, {name}")
        for k, name in enumerate(TASK.classes)
    ]
    handles.append(Line2D([], [], color="#666666", marker=".", linestyle="none", label="unlabelled"))
    for name, line, dense in zip(("labels alone", "Pi-model"), BOUNDARIES, crossed, strict=True):
        said = f"{name}, density {dense:.2f}"
        handles.append(Line2D([], [], color="black", linestyle=line, linewidth=1.3, label=said))
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
