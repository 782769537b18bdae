"""The Pi-model on two half-moons of points in a plane, before and after (survey 3.2 [65]).

A point is a pixel with two channels, its coordinates, and a network of 1x1 convolutions classifies each by
itself, so the library's learners train on it as they are.

Share of the unlabelled points that are classified correctly, mean and lowest over the seeds 0 to 9: 81% and
65% with three labelled points a moon (`Supervised`); 96% and 83% with 394 unlabelled ones, too (`PiModel`).
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
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.show.contours import small_title
from medseg_lab.show.explorer import taken_steps
from medseg_lab.show.style import COLOURS, MARKERS, canvas, house
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASK = Task(2, ("upper moon", "lower moon"), 2)
POINTS, LABELLED, SPREAD = 400, 3, 0.1
STEPS, RATE = 600, 0.01
CONSISTENCY = {"weight": 10.0, "ramp": 0.4}
"""Of the unlabelled term, tuned for this toy."""

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
        steps = taken_steps(STEPS)
        learner.prepare(steps, ())
        optimiser = torch.optim.Adam(learner.parameters(), RATE)
        for step in range(steps):
            optimiser.zero_grad()
            torch.stack(list(learner.losses(batch, step).values())).sum().backward()
            optimiser.step()
    return learner.eval()


@torch.no_grad()
def predicted(learner: Supervised, points: NDArray) -> NDArray:
    """The probability of the second class at each of `points` (n, 2): `(n,)`."""
    return learner.predict(pixels(points))[0, 1, :, 0].numpy()


def pixels(points: NDArray) -> Tensor:
    """Points `(n, 2)` as an image of one column, `(1, 2, n, 1)`."""
    return torch.from_numpy(points.astype(np.float32)).T[None, :, :, None]


def half_moons(seed: int = 1) -> "Figure":
    """Six labels on two moons: the decision border that they teach alone, and that of a Pi-model.

    Both networks begin with the same weights and learn from the same labels. The Pi-model learns from the
    grey points, too: near points must be classified alike, so its border moves to where there are few of
    them. Each title has the share of the unlabelled points that are classified correctly.

    Args:
        seed: of the points, of which ones are labelled, and of the training.
    """
    moons = two_moons(seed)
    learners = {
        "labels alone": trained(moons, Supervised),
        "Pi-model": trained(moons, PiModel, **CONSISTENCY),
    }
    right = {name: moons.accuracy(predicted(of, moons.points) > 0.5) for name, of in learners.items()}
    reach = np.abs(moons.points).max(axis=0) + 0.3
    grid = np.meshgrid(*(np.linspace(-edge, edge, FINE) for edge in reach))
    at = np.stack(grid, -1).reshape(-1, 2)
    with house():
        fig = canvas(7.0, 0.9 + 3.4 * reach[1] / reach[0])
        for ax, (name, learner) in zip(fig.subplots(1, 2), learners.items(), strict=True):
            found = predicted(learner, at).reshape(FINE, FINE)
            ax.contourf(*grid, found, [0, 0.5, 1], colors=COLOURS[:2], alpha=0.12)
            ax.contour(*grid, found, [0.5], colors="black", linewidths=1.3)
            small_title(ax, f"{name}: {right[name]:.1%} right")
            _points(ax, moons)
            ax.set(xticks=[], yticks=[], aspect="equal")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        said = ", ".join(f"{name} {share:.1%}" for name, share in right.items())
        fig.set_label(
            f"Two half-moons of {len(moons.points)} points, {len(moons.labelled)} of them labelled, and the "
            f"decision border of two networks. Unlabelled points classified correctly: {said}."
        )
    return fig


def _points(ax: Any, moons: Moons) -> None:
    grey = {"color": GREY, "markersize": 2.2, "markeredgewidth": 0}
    ax.plot(*moons.points[moons.unlabelled].T, ".", label="without a label", **grey)
    edge = {"linestyle": "none", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 1}
    for k, name in enumerate(TASK.classes):
        chosen = moons.labelled[moons.truth[moons.labelled] == k]
        ax.plot(*moons.points[chosen].T, MARKERS[k], color=COLOURS[k], label=f"labelled, {name}", **edge)
