"""The three assumptions of semi-supervised learning (survey 3), on two moons of points in a plane.

A point is a pixel with two channels, its coordinates, and a network of 1x1 convolutions classifies each by
itself, so the library's learners train on it as they are.

Share of the unlabelled points that are classified correctly, mean and lowest over the seeds 0 to 9:

| | mean | lowest |
| --- | --- | --- |
| `Supervised`, from three labelled points a moon | 81% | 65% |
| `PiModel` (`CONSISTENCY`), from these and 394 unlabelled ones | 96% | 83% |
| labels spread from neighbour to neighbour | 98% | 87% |
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.semi.noise import CLIP
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, MARKERS, canvas, house
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASK = Task(2, ("upper moon", "lower moon"), 2)
POINTS, LABELLED, SPREAD = 400, 3, 0.1
STEPS, RATE = 600, 0.01
NEIGHBOURS = 7
CONSISTENCY = {"weight": 10.0, "ramp": 0.4}
"""Of the unlabelled term, tuned for this toy."""

WIDTH = 0.2
"""Standard deviation of the kernel that estimates the points' density."""

BOUNDARIES: dict[str, Any] = {"labels alone": (0, (4, 1.5)), "Pi-model": "-"}
FINE = 121
GREY = "#666666"


@dataclass(frozen=True)
class Moons:
    """Points of two classes.

    Args:
        points: `(n, 2)`, each coordinate with mean 0 and standard deviation 1, as an image is z-scored.
        truth: the class of each, 0 or 1.
        labelled: indices of those that come with their class.
        seed: random seed.
    """

    points: NDArray
    truth: NDArray
    labelled: NDArray
    seed: int

    @property
    def unlabelled(self) -> NDArray:
        """Indices of the others."""
        return np.setdiff1d(np.arange(len(self.points)), self.labelled)

    def accuracy(self, classes: NDArray) -> float:
        """The share of the unlabelled points whose class is that in `classes`, `(n,)`."""
        return float((classes == self.truth)[self.unlabelled].mean())


class Pointwise(nn.Module):
    """Two hidden layers of 1x1 convolutions: each pixel by itself."""

    def __init__(self, in_channels: int, out_channels: int, spatial_dims: int = 2, width: int = 32) -> None:
        super().__init__()
        hidden = nn.Conv2d(in_channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()
        self.layers = nn.Sequential(*hidden, nn.Conv2d(width, out_channels, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, H, W)`."""
        logits: Tensor = self.layers(image)
        return logits


def two_moons(seed: int = 0) -> Moons:
    """400 points, of which three of each class, drawn at random, are labelled."""
    from sklearn.datasets import make_moons

    points, truth = make_moons(POINTS, noise=SPREAD, random_state=seed)
    rng = np.random.default_rng(seed)
    labelled = [rng.choice(np.flatnonzero(truth == k), LABELLED, replace=False) for k in (0, 1)]
    return Moons((points - points.mean(0)) / points.std(0), truth, np.concatenate(labelled), seed)


def trained(moons: Moons, method: type[Supervised], **options: Any) -> Supervised:
    """A learner trained on the moons, from the same weights whatever its class.

    Args:
        moons: give the points, and the seed.
        method: the learner's class.
        options: its own arguments, such as `CONSISTENCY`.
    """
    image, known = pixels(moons.points), pixels(moons.points[moons.labelled])
    label = torch.from_numpy(moons.truth[moons.labelled]).view(1, -1, 1)
    batch = Batch(known, label, image[:, :, torch.from_numpy(moons.unlabelled)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(moons.seed)
        parts: dict[str, Any] = {"network": recipe(Pointwise), "loss": recipe(CrossEntropy)}
        learner = method(TASK, **parts, **options)
        learner.prepare(STEPS, ())
        optimiser = torch.optim.Adam(learner.parameters(), RATE)
        for step in range(STEPS):
            optimiser.zero_grad()
            torch.stack(list(learner.losses(batch, step).values())).sum().backward()
            optimiser.step()
            learner.after_step(step)
    return learner.eval()


@torch.no_grad()
def predicted(learner: Supervised, points: NDArray) -> NDArray:
    """The probability of the second class at each of `points` (n, 2): `(n,)`."""
    return learner.predict(pixels(points))[0, 1, :, 0].numpy()


def pixels(points: NDArray) -> Tensor:
    """Points `(n, 2)` as an image of one column, `(1, 2, n, 1)`."""
    return torch.from_numpy(points.astype(np.float32)).T[None, :, :, None]


def neighbours(points: NDArray) -> NDArray:
    """Which points are joined, `(n, n)`, 0 or 1: one of the two is among the nearest seven of the other."""
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(points, NEIGHBOURS, include_self=False).toarray()
    return np.maximum(graph, graph.T)


def spread(moons: Moons) -> NDArray:
    """Each point's class when labels spread from neighbour to neighbour (scikit-learn's `LabelSpreading`)."""
    from sklearn.semi_supervised import LabelSpreading

    given = np.full(len(moons.points), -1)
    given[moons.labelled] = moons.truth[moons.labelled]
    found = LabelSpreading(kernel=lambda a, _: neighbours(a), alpha=0.99, max_iter=2000)
    return found.fit(moons.points, given).transduction_


def density(points: NDArray, at: NDArray) -> NDArray:
    """The density of `points` (n, 2) at `at` (m, 2), over its mean at the points themselves: `(m,)`."""
    from sklearn.neighbors import KernelDensity

    kernel = KernelDensity(bandwidth=WIDTH).fit(points)
    found: NDArray = np.exp(kernel.score_samples(at)) / np.exp(kernel.score_samples(points)).mean()
    return found


def mean_along(paths: list[Any], value: Any) -> float:
    """The mean of a function of points `(m, 2)` along matplotlib's paths, from the middles of segments."""
    lines = [line for p in paths for line in np.split(p.vertices, np.flatnonzero(p.codes == p.MOVETO)[1:])]
    first, second = np.concatenate([[line[:-1], line[1:]] for line in lines], axis=1)
    return float(np.average(value((first + second) / 2), weights=np.linalg.norm(second - first, axis=1)))


def assumptions(seed: int = 1) -> "Figure":
    """Six labels on two moons: what they teach alone, and what hundreds of points without labels add.

    Left, a network that learns from the labelled points alone. Middle, the same network with the same first
    weights as a Pi-model: near points must be classified alike (smoothness), so its boundary moves to where
    points are rare (low density). Right, no network: points are joined to their neighbours, and labels
    spread along the joints (manifold).

    Each title has the share of the unlabelled points that are classified correctly.

    Args:
        seed: of the points, of which ones are labelled, and of the training.
    """
    moons = two_moons(seed)
    points = moons.points
    networks = {
        "labels alone": trained(moons, Supervised),
        "Pi-model": trained(moons, PiModel, **CONSISTENCY),
    }
    classes = {name: predicted(learner, points) > 0.5 for name, learner in networks.items()}
    classes["label spreading"] = spread(moons) == 1
    right = {name: moons.accuracy(found) for name, found in classes.items()}
    reach = np.abs(points).max(axis=0) + 0.3
    grid = list(np.meshgrid(*(np.linspace(-edge, edge, FINE) for edge in reach)))
    at = np.stack(grid, -1).reshape(-1, 2)
    maps = {name: predicted(learner, at).reshape(FINE, FINE) for name, learner in networks.items()}
    with house():
        fig = canvas(7.0, 1.05 + 2.25 * reach[1] / reach[0])
        alone, pi, graph = panels = fig.subplots(1, 3, sharex=True, sharey=True)
        alone.contourf(*grid, maps["labels alone"], [0, 0.5, 1], colors=COLOURS[:2], alpha=0.12)
        _boundary(alone, grid, maps, "labels alone")
        dense = density(points, at).reshape(FINE, FINE)
        pi.contourf(*grid, dense, [0.1, 0.3, 0.6, 0.9, 1.2, 3], cmap="Greys", vmin=-0.5, vmax=3)
        lines = {name: _boundary(pi, grid, maps, name) for name in BOUNDARIES}
        crossed = {name: mean_along(line, lambda at: density(points, at)) for name, line in lines.items()}
        _noise_box(pi, reach)
        _graph(graph, points, classes["label spreading"].astype(int))
        heads = ("no assumption\n", "smoothness, low density\n", "manifold\n")
        for ax, head, (name, share) in zip(panels, heads, right.items(), strict=True):
            small_title(ax, f"{head}{name}: {share:.1%} right")
            _points(ax, moons)
            ax.set(xticks=[], yticks=[], xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]))
            ax.set(box_aspect=reach[1] / reach[0], anchor="S")
        _legend(fig, crossed)
        said = ", ".join(f"{name} {share:.1%}" for name, share in right.items())
        fig.set_label(
            f"Two moons of {len(points)} points, {len(moons.labelled)} of them labelled. Unlabelled points "
            f"classified correctly: {said}. The density of the points on the boundary, over the mean at "
            f"points, is {crossed['labels alone']:.2f} for the network that learned from labels alone and "
            f"{crossed['Pi-model']:.2f} for the Pi-model."
        )
    return fig


def _boundary(ax: Any, grid: list[NDArray], maps: dict[str, NDArray], name: str) -> list[Any]:
    """The decision boundary of a network; gives its paths."""
    style = {"colors": "black", "linestyles": [BOUNDARIES[name]], "linewidths": 1.3}
    paths: list[Any] = ax.contour(*grid, maps[name], [0.5], **style).get_paths()
    return paths


def _noise_box(ax: Any, corner: NDArray) -> None:
    """How far the noise moves a point, in the lower right corner."""
    from matplotlib.patches import Rectangle

    x, y = corner[0] - 0.4, -corner[1] + 0.4
    ax.add_patch(Rectangle((x - CLIP, y - CLIP), 2 * CLIP, 2 * CLIP, fill=False, linewidth=0.9))
    ax.plot(x, y, ".", color=GREY, markersize=2.2, markeredgewidth=0)
    ax.text(x - CLIP - 0.1, y, "reach of noise", fontsize=8, ha="right", va="center")


def _graph(ax: Any, points: NDArray, classes: NDArray) -> None:
    from matplotlib.collections import LineCollection

    first, second = np.nonzero(np.triu(neighbours(points)))
    colours = np.where(classes[first] == classes[second], np.array(COLOURS)[classes[first]], "#000000")
    lines = np.stack([points[first], points[second]], axis=1)
    ax.add_collection(LineCollection(list(lines), colors=list(colours), linewidths=0.5, alpha=0.7))


def _points(ax: Any, moons: Moons) -> None:
    ax.plot(*moons.points[moons.unlabelled].T, ".", color=GREY, markersize=2.2, markeredgewidth=0)
    edge = {"linestyle": "none", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 1}
    for k in (0, 1):
        chosen = moons.labelled[moons.truth[moons.labelled] == k]
        ax.plot(*moons.points[chosen].T, MARKERS[k], color=COLOURS[k], **edge)


def _legend(fig: "Figure", crossed: dict[str, float]) -> None:
    from matplotlib.lines import Line2D

    looks = [(f"labelled, {name}", COLOURS[k], MARKERS[k], "none") for k, name in enumerate(TASK.classes)]
    looks.append(("unlabelled", GREY, ".", "none"))
    looks += [(f"{name}, density {of:.2f}", "black", "", BOUNDARIES[name]) for name, of in crossed.items()]
    handles = [Line2D([], [], label=name, color=c, marker=m, ls=line, lw=1.3) for name, c, m, line in looks]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
