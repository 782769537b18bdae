"""How narrow the classes lie among a network's features, and how far apart (survey 5.1)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.blocks import crop
from medseg_lab.outlook.compact_features import compactness, directions, read_by_head
from medseg_lab.semi.graphs.random_feature_embedding import balanced
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 200
"""Drawn from each slice."""
LIMITS = (-0.25, 1.1)
"""Of both axes. Features after a leaky ReLU are hardly below 0, and so are the cosines between them."""


def pixels_of(
    learner: Segmenter, cases: Sequence[Case], slice_axis: int = 2, number: int = PIXELS
) -> tuple[Tensor, Tensor]:
    """Features and true classes of some pixels: `(n, F)` and `(n,)`, the same pixels for every learner.

    Of each case the slice on which the reference marks most, around what it marks; as many pixels of each
    class as far as they are there.

    Args:
        learner: of slices, whose network is an `EncoderDecoder`.
        cases: with a reference label, which training must not have seen.
        slice_axis: across which a volume is cut.
        number: pixels of each slice, all where it has no more.

    Raises:
        ValueError: for no case.
    """
    if not cases:
        raise ValueError("cases: expected one or more, got none")
    network: Any = learner.network
    device, features, labels = next(learner.parameters()).device, [], []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for case in cases:
            place = fullest(case, slice_axis, learner.patch)
            label = torch.from_numpy(place.of(case.label.cpu().numpy()).astype(np.int64))[None]
            with read_by_head(network) as read:
                network(place.image(case).to(device, torch.float32))
            maps = crop(read[-1], label.shape[1:])[0].flatten(1).T.cpu()  # (P, F)
            index = balanced(label.flatten(1), min(number, label.numel()))[0]
            features.append(maps[index])
            labels.append(label.flatten()[index])
    return torch.cat(features), torch.cat(labels)


def geometry(features: Tensor, label: Tensor, task: Task) -> dict[str, float]:
    """What the term moves, and what it is for.

    Args:
        features: `(n, F)`.
        label: `(n,)`.
        task: names the classes.

    Returns:
        `within` and `between`, as `Compactness` has them; `overlap`, the share of the pixels that lie nearer
        to the prototype of another class than to that of their own, mean over the classes; and the same of
        each class, by its name: NaN for one that is not there.
    """
    found = compactness(features, label, 0.0)
    unit, member, prototypes = directions(features, label)
    strayed = (unit @ prototypes.T).argmax(dim=1) != member.argmax(dim=1)
    shares = ((strayed[:, None] * member).sum(dim=0) / member.sum(dim=0)).tolist()
    known = [task.classes[k] for k in label.unique().tolist() if k < len(task.classes)]
    each = dict.fromkeys(task.classes, float("nan")) | dict(zip(known, shares, strict=True))
    said = {"within": found.within.item(), "between": found.between.item()}
    return {**said, "overlap": float(np.mean(shares)), **{f"overlap, {k}": v for k, v in each.items()}}


def geometry_table(
    learners: Mapping[str, Segmenter], cases: Sequence[Case], task: Task, slice_axis: int = 2
) -> pd.DataFrame:
    """The `geometry` of each learner, a row each, of the same pixels (`pixels_of`)."""
    rows = {name: geometry(*pixels_of(one, cases, slice_axis), task) for name, one in learners.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def feature_geometry(
    learners: Mapping[str, Mapping[Any, Segmenter]], cases: Sequence[Case], task: Task, *, slice_axis: int = 2
) -> "Callable[[Any], Figure]":
    """A function from a number of steps to a picture of the pixels of held-out slices among the features.

    A panel for each training, all with the same axes: the cosines of a pixel's features with the prototypes
    of two classes, as these are after so many steps. So a class that is narrow lies in one place, and classes
    at right angles lie in the corners (1, 0), (0, 1) and, further ones, at (0, 0). Made for
    `explore(feature_geometry(learners, cases, task), after=[...])`.

    Args:
        learners: by the name of the training and by the steps that they have learned (`watched`); the same
            steps for all.
        cases: with a reference label, which training must not have seen.
        task: names the classes. The axes are the first two foreground classes that the pixels have; of one
            alone, background and foreground.
        slice_axis: across which volumes are cut.

    Raises:
        ValueError: for no learner, or where the steps of two trainings differ.
    """
    if not learners:
        raise ValueError("learners: expected one training or more, got none")
    steps = {name: list(of) for name, of in learners.items()}
    if len({tuple(of) for of in steps.values()}) > 1:
        raise ValueError(f"learners: expected the same steps for all, got {steps}")

    def draw(after: Any) -> "Figure":
        said = []
        with house():
            fig = canvas(3.4 * len(learners), 4.4)
            panels = np.atleast_1d(fig.subplots(1, len(learners), sharex=True, sharey=True))
            for ax, (name, of) in zip(panels, learners.items(), strict=True):
                features, label = pixels_of(of[after], cases, slice_axis)
                numbers = geometry(features, label, task)
                across, upward = _points(ax, features, label, task)
                words = "within {within:.2f}, between {between:.2f},\noverlap {overlap:.0%}".format(**numbers)
                ax.set_title(f"{name}\n{words}", fontsize=9)
                ax.set(xlabel=f"cosine with {across}", aspect="equal")
                said.append(f"{name}: {words}".replace("\n", " "))
            panels[0].set(ylabel=f"cosine with {upward}", xlim=LIMITS, ylim=LIMITS)
            handles, names = panels[0].get_legend_handles_labels()
            below = {"ncols": len(names), "fontsize": 8, "markerscale": 2}
            fig.legend(handles, names, loc="outside lower center", **below)
            fig.set_label(f"Features of pixels of {len(cases)} slices, after {after}. {'; '.join(said)}.")
        return fig

    return draw


def _points(ax: Any, features: Tensor, label: Tensor, task: Task) -> list[str]:
    """Pixels, by true class, and outlined in black the prototypes; the classes of the two axes.

    Raises:
        ValueError: for pixels of one class alone.
    """
    unit, _, prototypes = directions(features, label)
    known = [k for k in label.unique().tolist() if k < len(task.classes)]
    if len(known) < 2:
        raise ValueError(f"cases: expected pixels of two classes or more, got those of {len(known)}")
    axes = known[1:3] if len(known) > 2 else known
    corners = prototypes[[known.index(k) for k in axes]].T
    points, centres = (unit @ corners).numpy(), (prototypes @ corners).numpy()
    kinds = label[label < len(task.classes)].numpy()
    for row, k in enumerate(known):
        style = look(k)
        marks = {"s": 9, "alpha": 0.45, "linewidths": 0, "color": style.colour}
        ax.scatter(*points[kinds == k].T, marker=style.marker, label=task.classes[k], **marks)
        big = {"s": 80, "color": style.colour, "edgecolors": "black", "linewidths": 1.2, "zorder": 3}
        ax.scatter(*centres[row], marker=style.marker, **big)
    return [task.classes[k] for k in axes]
