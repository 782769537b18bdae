"""Labels that spread along the edges of a graph, step by step (survey 3.3 [22])."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import CONTOURS, bare, outline, painted, panels, small_title
from medseg_lab.show.half_moons import GREY, TASK, Moons
from medseg_lab.show.spot import Spot
from medseg_lab.show.style import COLOURS, MARKERS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from scipy.sparse import sparray

BEHIND = "#888888"


def after_steps(
    weights: "NDArray | sparray", label: NDArray[np.integer], classes: int, steps: int
) -> NDArray[np.float64]:
    """How much of each class has come to each node, `(n, K)`; a row of 0 is one that nothing has reached.

    In a step every node without a label takes the weighted mean of its neighbours (Jacobi's iteration). What
    this ends in is the harmonic solution.

    Args:
        weights: of the edges, `(n, n)`, symmetric.
        label: of each node `(n,)`; -1 for none.
        classes: K.
        steps: how many.
    """
    known = label >= 0
    start = np.zeros((len(label), classes))
    start[known, label[known]] = 1
    degree = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
    y = start
    for _ in range(steps):
        y = np.where(known[:, None], start, (weights @ y) / np.maximum(degree, 1e-300))
    return y


def grid_weights(image: NDArray, beta: float) -> "sparray":
    """w_ij = exp(-beta |x_i - x_j|^2) between neighbours of an image `(C, *S)`, sparse `(n, n)`.

    The image is in its own standard deviations, and |x_i - x_j|^2 the mean over its channels, as in
    `GaussianRandomField`.
    """
    from scipy.sparse import coo_array

    shape, numbers = image.shape[1:], np.arange(image[0].size).reshape(image.shape[1:])
    ends = [
        (numbers.take(range(n - 1), axis).ravel(), numbers.take(range(1, n), axis).ravel())
        for axis, n in enumerate(shape)
    ]
    i, j = (np.concatenate(side) for side in zip(*ends, strict=True))
    flat = image.reshape(len(image), -1) / (image.std() or 1)
    w = np.exp(-beta * np.mean((flat[:, i] - flat[:, j]) ** 2, axis=0))
    both = np.concatenate((w, w)), (np.concatenate((i, j)), np.concatenate((j, i)))
    return coo_array(both, shape=(numbers.size, numbers.size)).tocsr()


def spreading_on_moons(moons: Moons, weights: NDArray, steps: int) -> "Figure":
    """The points of two half-moons, the edges between them, and how far six labels have come.

    A point has the colour of the class of which more has come to it; a grey one has not been reached. The
    title has the share of the unlabelled points with the right class; an unreached one counts as wrong.

    Args:
        moons: the points.
        weights: of the edges, `(n, n)`.
        steps: how many steps labels have spread.
    """
    from matplotlib.collections import LineCollection

    label = np.full(len(moons.points), -1)
    label[moons.labelled] = moons.truth[moons.labelled]
    y = after_steps(weights, label, 2, steps)
    found = np.where(y.sum(axis=1) > 0, y.argmax(axis=1), -1)
    with house():
        fig = canvas(5.2, 3.4)
        ax = fig.subplots()
        ends = moons.points[np.argwhere(np.triu(weights) > 0)]
        ax.add_collection(LineCollection(list(ends), colors=GREY, linewidths=0.4, alpha=0.5, zorder=0))
        looks = [(-1, "not reached", GREY, ".", 3.0)]
        looks += [(k, TASK.classes[k], COLOURS[k], MARKERS[k], 4.0) for k in (0, 1)]
        for k, name, colour, marker, size in looks:
            ax.plot(*moons.points[found == k].T, marker, color=colour, markersize=size, label=name, ls="none")
        edge: dict[str, Any] = {
            "linestyle": "none",
            "markersize": 10,
            "markeredgecolor": "black",
            "markeredgewidth": 1.2,
        }
        for k in (0, 1):
            at = moons.labelled[moons.truth[moons.labelled] == k]
            ax.plot(*moons.points[at].T, MARKERS[k], color=COLOURS[k], **edge)
        said = f"after {steps} step{'' if steps == 1 else 's'}: {moons.accuracy(found):.1%} right"
        small_title(ax, said)
        bare(ax)
        ax.set(aspect="equal")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        fig.set_label(f"Six labels spread along the edges between the points of two half-moons; {said}.")
    return fig


def spreading_on_image(
    case: Case, place: Spot, seeds: NDArray[np.integer], task: Task, *, beta: float, steps: int
) -> "Figure":
    """A part of a slice: its reference, its seeds, and how far their labels have come after some steps.

    Voxels are painted in the colour of the class of which most has come to them, the paler the less there is
    of any; the background's own label is grey.

    Args:
        case: with its reference.
        place: which part of which slice.
        seeds: classes `(H, W)` there, -1 for voxels without a label.
        task: names the classes.
        beta: as in `GaussianRandomField`.
        steps: how many.
    """
    image = place.image(case)[0].double().cpu().numpy()
    classes = len(task.classes)
    y = after_steps(grid_weights(image, beta), seeds.ravel(), classes, steps)
    reached = y.sum(axis=1).reshape(seeds.shape)
    found = y.argmax(axis=1).reshape(seeds.shape)
    reference = place.of(case.label.cpu().numpy())
    maps = {"reference": reference, "seeds": seeds, "found": found, "reached": reached}
    cut = place.cut(case, maps)
    titles = {
        "reference": "reference",
        "seeds": f"{(seeds >= 0).mean():.0%} of the voxels are seeds",
        "found": f"after {steps} step{'' if steps == 1 else 's'}: {(reached > 0.5).mean():.0%} reached",
    }
    with house():
        fig, (axes,) = panels([[(cut, "reference" if name == "reference" else "") for name in titles]], task)
        for ax, (name, title) in zip(axes, titles.items(), strict=True):
            small_title(ax, title)
            if name != "reference":
                _paint(ax, cut.labels[name], cut.labels["reached"] if name == "found" else None, classes)
        fig.set_label(
            f"Part of case {case.id}: its reference, its seeds, and their labels {titles['found']}."
        )
    return fig


def _paint(ax: Any, found: NDArray, reached: NDArray | None, classes: int) -> None:
    """Each class in its colour, as opaque as there is of it; outlines of the foreground where it leads."""
    for k in range(classes):
        colour = BEHIND if k == 0 else CONTOURS[(k - 1) % len(CONTOURS)][0]
        there = found == k if reached is None else (found == k) * reached
        painted(ax, there, colour, 0.35 if k == 0 else 0.75)
        if k and reached is not None:
            outline(ax, (found == k) & (reached > 0.5), CONTOURS[(k - 1) % len(CONTOURS)], 1.2)
    bare(ax)
