"""The graph of superpixels over an image, and whether its edges are right (survey 3.3 [23])."""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.graphs.superpixel_graph import Graph, SuperpixelGraph, means
from medseg_lab.show.before_and_after import RIGHT, WRONG
from medseg_lab.show.contours import panels, small_title
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BORDER = "#FFFFFF"


def majority(graph: Graph, label: Tensor, classes: int) -> Tensor:
    """The class that most voxels of each superpixel have in the reference `(*S)`: `(n,)`.

    Voxels that the reference leaves open count for none; where all are open, -1.
    """
    known = (label != IGNORE).to(torch.int64)
    votes = F.one_hot(label.to(torch.int64) * known, classes).movedim(-1, 0) * known
    shares = means(votes.float(), graph.regions)
    return shares.argmax(dim=1).where(shares.any(dim=1), -1)


def edges_right(
    method: SuperpixelGraph, cases: Sequence[Case], task: Task, slice_axis: int, epsilons: Sequence[float]
) -> pd.DataFrame:
    """How often superpixels that are joined have one class in the reference, by the least weight of an edge.

    The superpixels are those of the slice of each case on which the reference marks most, near what it marks.

    Returns:
        A row for each epsilon: the `edges` of a superpixel, the share of the edges that are `right`, the same
        of those with foreground at one end or both (`right at foreground`), and how many pairs of one
        foreground class are `joined`. NaN where there are none.
    """
    rows = {}
    for epsilon in epsilons:
        how = _at(method, epsilon)
        counts = np.zeros(7)
        for case in cases:
            place = fullest(case, slice_axis, least=(64, 64))
            graph = how.graph(place.image(case)[0])
            label = torch.from_numpy(place.of(case.label.cpu().numpy()).astype(np.int64))
            counts += _counts(graph, majority(graph, label, len(task.classes)))
        nodes, edges, right, at, right_at, joined, pairs = counts
        with np.errstate(invalid="ignore", divide="ignore"):
            rows[epsilon] = (2 * edges / nodes, right / edges, right_at / at, joined / pairs)
    names = ["edges", "right", "right at foreground", "joined"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("epsilon")


def _at(method: SuperpixelGraph, epsilon: float) -> SuperpixelGraph:
    """The same with another least weight."""
    found = copy(method)
    found.epsilon = epsilon
    return found


def _counts(graph: Graph, classes: Tensor) -> NDArray:
    pairs_of_known = graph.pairs[:, (classes[graph.pairs] >= 0).all(dim=0)]
    first, second = classes[pairs_of_known]
    same, front = first == second, (first > 0) | (second > 0)
    classes = classes[classes >= 0]
    sizes = classes.bincount()[1:]
    inside = (same & front).sum().item()
    pairs = (sizes * (sizes - 1) // 2).sum().item()
    of_edges = [len(first), same.sum().item(), front.sum().item(), inside]
    return np.array([len(classes), *of_edges, inside, pairs], dtype=float)


def superpixel_graph(
    method: SuperpixelGraph, case: Case, place: Spot, task: Task, epsilon: float
) -> "Figure":
    """A part of a slice: the reference with the superpixels, and the edges between them.

    An edge is green and solid where most voxels of both ends have the same class in the reference, and orange
    and dashed where not. Edges between two superpixels of background are left out: many, and right.

    Args:
        method: says what superpixels are and which are alike.
        case: with its reference.
        place: which part of which slice.
        task: names the classes.
        epsilon: the least weight of an edge, in place of the method's.
    """
    from matplotlib.collections import LineCollection

    graph = _at(method, epsilon).graph(place.image(case)[0])
    reference = place.of(case.label.cpu().numpy())
    classes = majority(graph, torch.from_numpy(reference.astype(np.int64)), len(task.classes))
    cut = place.cut(case, {"reference": reference, "regions": graph.regions.cpu().numpy()})
    regions = torch.from_numpy(cut.labels["regions"].copy())
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in regions.shape), indexing="ij")
    centres = means(torch.stack((columns, rows)).float(), regions).numpy()
    first, second = classes[graph.pairs]
    same, front = (first == second).numpy(), ((first > 0) | (second > 0)).numpy()
    ends = centres[graph.pairs.cpu().numpy().T]
    with house():
        fig, (axes,) = panels([[(cut, "reference"), (cut, "")]], task)
        axes[0].add_collection(LineCollection(borders(cut.labels["regions"]), colors=BORDER, linewidths=0.5))
        small_title(axes[0], f"{len(classes)} superpixels")
        for kind, colour, line in ((same, RIGHT, "-"), (~same, WRONG, (0, (2, 1)))):
            drawn = list(ends[kind & front])
            axes[1].add_collection(LineCollection(drawn, colors=colour, linestyles=[line], linewidths=1.0))
        number, wrong = int(front.sum()), int((front & ~same).sum())
        small_title(axes[1], f"epsilon {epsilon:g}: {number} edges, {wrong} wrong")
        fig.set_label(
            f"Superpixels of part of case {case.id}; with epsilon {epsilon:g}, {number} edges at the "
            f"foreground, {wrong} of them wrong."
        )
    return fig


def borders(regions: NDArray[np.integer]) -> list[NDArray[np.float64]]:
    """The lines between pixels of different regions of `(H, W)`, each as two points (x, y)."""
    found = []
    for axis in (0, 1):
        places = np.argwhere(np.diff(regions, axis=axis))
        middle, along = places + np.eye(2)[axis] / 2, np.eye(2)[1 - axis] / 2
        found += list(np.stack((middle - along, middle + along), axis=1)[..., ::-1])
    return found
