"""Two moons of points in a plane, few of them labelled: a toy on which semi-supervised learning is seen.

A point is a pixel with two channels, its coordinates, and a network of 1x1 convolutions judges each by
itself. So the learners of the library can be put to it as they are.

Means over the seeds 0 to 9 of the share of unlabelled points that are classified rightly, and the fewest:

| | mean | fewest |
| --- | --- | --- |
| `Supervised`, from three labelled points a moon | 81% | 65% |
| `PiModel` (`CONSISTENCY`), from these and 394 unlabelled ones | 96% | 83% |
| labels spread from neighbour to neighbour | 98% | 87% |
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

TASK = Task(2, ("upper moon", "lower moon"), 2)
POINTS, LABELLED, SPREAD = 400, 3, 0.1
STEPS, RATE = 600, 0.01
NEIGHBOURS = 7
CONSISTENCY = {"weight": 10.0, "ramp": 0.4}
"""Of the unlabelled term: the toy's own, as the tuned ones are for images."""


@dataclass(frozen=True)
class Moons:
    """Points of two classes.

    Args:
        points: `(n, 2)`, each coordinate with mean 0 and standard deviation 1, as an image is z-scored.
        truth: the class of each, 0 or 1.
        labelled: which of them come with their class.
        seed: of all chance.
    """

    points: NDArray
    truth: NDArray
    labelled: NDArray
    seed: int

    @property
    def unlabelled(self) -> NDArray:
        """The others."""
        return np.setdiff1d(np.arange(len(self.points)), self.labelled)

    def right(self, classes: NDArray) -> float:
        """The share of the unlabelled points to which `classes`, one for each point, give their class."""
        return float((classes == self.truth)[self.unlabelled].mean())


class Pointwise(nn.Module):
    """Two hidden layers of 1x1 convolutions: each pixel by itself."""

    def __init__(self, in_channels: int, out_channels: int, spatial_dims: int = 2, width: int = 32) -> None:
        super().__init__()
        sizes = (in_channels, width, width)
        layers = [(nn.Conv2d(a, b, 1), nn.ReLU()) for a, b in pairwise(sizes)]
        self.layers = nn.Sequential(*(part for layer in layers for part in layer))
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K, H, W)`."""
        logits: Tensor = self.head(self.layers(image))
        return logits


def two_moons(seed: int = 0) -> Moons:
    """400 points, of which three of each class, drawn at random, are labelled."""
    from sklearn.datasets import make_moons

    points, truth = make_moons(POINTS, noise=SPREAD, random_state=seed)
    rng = np.random.default_rng(seed)
    labelled = [rng.choice(np.flatnonzero(truth == k), LABELLED, replace=False) for k in (0, 1)]
    return Moons((points - points.mean(0)) / points.std(0), truth, np.concatenate(labelled), seed)


def learned(moons: Moons, method: type[Supervised], **options: Any) -> Supervised:
    """A learner trained on the moons; whatever its class, it starts from the same weights.

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
        learner = method(TASK, recipe(Pointwise), loss="cross_entropy", **options)
        learner.prepare(STEPS, ())
        optimiser = torch.optim.Adam(learner.parameters(), RATE)
        for step in range(STEPS):
            optimiser.zero_grad()
            torch.stack(list(learner.losses(batch, step).values())).sum().backward()
            optimiser.step()
            learner.after_step(step)
    return learner.eval()


@torch.no_grad()
def judged(learner: Supervised, points: NDArray) -> NDArray:
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
    """Each point's class, when labels flow from neighbour to neighbour (scikit-learn's `LabelSpreading`)."""
    from sklearn.semi_supervised import LabelSpreading

    given = np.full(len(moons.points), -1)
    given[moons.labelled] = moons.truth[moons.labelled]
    found = LabelSpreading(kernel=lambda a, _: neighbours(a), alpha=0.99, max_iter=2000)
    return found.fit(moons.points, given).transduction_
