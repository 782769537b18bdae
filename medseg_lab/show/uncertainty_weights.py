"""What a network is unsure of, where it is wrong, and what weights that makes (survey 5.2)."""

from collections.abc import Callable, Mapping
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.losses.checks import known
from medseg_lab.losses.entropy import entropy
from medseg_lab.outlook.uncertainty_training import errors_found, foretold, weights
from medseg_lab.show.contours import Cut, handles, painted, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ERROR = "#D55E00"


def uncertainty_weights(
    learners: Mapping[str, Segmenter],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
    passes: int = 8,
) -> "Callable[[float], Figure]":
    """A function from gamma to a picture of the weights that it makes of a slice's uncertainty.

    A row for each learner: the slice with its label; the uncertainty, 0 to 1; the weights, on one scale for
    all rows; and where the mean of the passes is wrong. The masks of the passes are the same for any gamma.
    Made for `explore(uncertainty_weights(learners, case, task), gamma=[-2, 0, 2])`.

    Args:
        learners: of slices, trained with dropout, by name.
        case: with a label; the slice is the one on which it marks most.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.
        passes: T.

    Raises:
        ValueError: for no learner.
    """
    if not learners:
        raise ValueError("learners: expected one or more, got none")
    place = fullest(case, slice_axis, next(iter(learners.values())).patch)
    found = {name: _measured(learner, case, place, passes) for name, learner in learners.items()}

    def draw(gamma: float) -> "Figure":
        cuts = {}
        for name, (uncertainty, maps, _) in found.items():
            label = torch.from_numpy(maps["label"].astype(np.int64))[None]
            weight = weights(uncertainty, known(label), gamma)[0].numpy()
            cuts[name] = place.cut(case, {**maps, "weight": weight}, channel)
        top = max(2.0, *(float(cut.labels["weight"].max()) for cut in cuts.values()))
        with house():
            height = 6.0 / 4 * ratio(next(iter(cuts.values())))
            fig = canvas(7.0, len(cuts) * (height + 0.45) + 0.5)
            axes: Any = fig.subplots(len(cuts), 4, squeeze=False)
            said = []
            for row, (name, cut) in zip(axes, cuts.items(), strict=True):
                _row(row, cut, task, top, f"gamma {gamma:g}")
                row[0].set_ylabel(name, fontsize=9)
                here, share = cut.labels["weight"], found[name][2]
                words = f"{name}: weights from {here.min():.2g} to {here.max():.2g}"
                said.append(f"{words}, {share:.0%} of the wrong pixels among the most uncertain tenth")
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(f"A slice of case {case.id}, gamma {gamma:g}. {'; '.join(said)}.")
        return fig

    return draw


def _measured(
    learner: Segmenter, case: Case, place: Spot, passes: int
) -> tuple[torch.Tensor, dict[str, NDArray], float]:
    """The uncertainty `(1, H, W)`; the maps of it, of the label and of what is wrong; and `errors_found`."""
    image = place.image(case).to(next(learner.parameters()).device, torch.float32)
    label = torch.from_numpy(place.of(case.label.cpu().numpy()).astype(np.int64))[None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        said = foretold(learner, image, passes).cpu()
    uncertainty = entropy(said) / log(said.shape[1])
    wrong = (said.argmax(dim=1) != label) & known(label)
    share = float(errors_found(uncertainty, said, label).get("errors_found", torch.tensor(0.0)))
    maps = {"uncertainty": uncertainty, "wrong": wrong, "label": label}
    return uncertainty, {name: of[0].numpy() for name, of in maps.items()}, share


def _row(row: Any, cut: Cut, task: Task, top: float, of_weights: str) -> None:
    labelled, unsure, weighted, errors = row
    panel(labelled, cut, "label", len(task.classes))
    small_title(labelled, "label")
    colour_bar(unsure, heat_map(unsure, cut, "uncertainty", 1.0, "uncertainty"))
    colour_bar(weighted, heat_map(weighted, cut, "weight", top, f"weight, {of_weights}"), threshold=1.0)
    panel(errors, cut, "", 0)
    painted(errors, cut.labels["wrong"], ERROR)
    small_title(errors, f"wrong: {int(cut.labels['wrong'].sum())} pixels")
