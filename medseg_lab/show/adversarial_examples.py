"""What misleads one of two co-trained networks, and whether it misleads the other (survey 3.1, figure 11)."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversarial import fast_gradient_sign, virtual
from medseg_lab.semi.deep_cotraining import DeepCoTraining
from medseg_lab.show.contours import Cut, bare, handles, in_rows, painted, panel, small_title
from medseg_lab.show.heat_map import colour_bar, ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANGED = "#CC79A7"
"""Colour of the pixels whose class changes."""
HOW = ("with a label (FGSM)", "without (virtual)")
"""How the two examples are made."""


def adversarial_examples(
    learner: Segmenter, case: Case, task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> Callable[[float], "Figure"]:
    """A function that draws two adversarial examples against the first network, of one slice, by epsilon.

    Made for `explore(adversarial_examples(learner, case, task), epsilon=[0.03, 0.1])`. A row is an example:
    the change, the changed image with what the first network finds in it, and the same with what the second
    finds. Pixels whose class is another than in the unchanged image are painted.

    Args:
        learner: a trained `DeepCoTraining` of slices.
        case: with its reference; the slice is the one on which that marks most.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for another learner, or one that has a single network (`weight=0`).
    """
    if not isinstance(learner, DeepCoTraining) or not learner.weight:
        raise ValueError(f"learner: expected a DeepCoTraining of two networks, got {type(learner).__name__}")
    place = fullest(case, slice_axis, learner.patch)
    image = place.image(case)
    label = torch.as_tensor(place.of(case.label.cpu().numpy()))[None].to(image.device, torch.int64)
    networks: dict[str, Any] = {"first": learner.network, "second": learner.second}
    shown = channel or 0

    @cache
    def draw(epsilon: float) -> "Figure":
        from matplotlib.patches import Patch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            known = fast_gradient_sign(learner.network, image, label, epsilon)
            unknown = virtual(learner.network, image, epsilon)
        said = []
        with house():
            fig = canvas(7.0, 2 * (6.0 / 3 * ratio(place.cut(case, {})) + 0.35) + 0.4)
            grid = fig.subplots(2, 3)
            for axes, how, example in zip(grid, HOW, (known, unknown), strict=True):
                maps = {"example": example.image[0, shown], "change": (example.image - image)[0, shown]}
                for name, network in networks.items():
                    maps[name] = classes(network, example.image)
                    maps[f"{name} changed"] = maps[name] != classes(network, image)
                cut = place.cut(case, {name: each.cpu().numpy() for name, each in maps.items()}, shown)
                cut = replace(cut, image=cut.labels["example"])
                _draw_change(axes[0], cut, epsilon)
                small_title(axes[0], f"change, {how}")
                for ax, name in zip(axes[1:], networks, strict=True):
                    panel(ax, cut, name, len(task.classes))
                    changed = cut.labels[f"{name} changed"]
                    painted(ax, changed, CHANGED, 0.8)
                    small_title(ax, f"{name} network: {changed.sum()} changed")
                    said.append(f"{how}, {name} network: {changed.sum()}")
            paint = [Patch(facecolor=CHANGED, edgecolor="black", label="another class than before")]
            fig.legend(**in_rows([*handles(task), *paint]), loc="outside lower center", columnspacing=1.2)
            fig.set_label(
                f"Two adversarial examples of a slice of case {case.id} against the first network, epsilon "
                f"{epsilon:g}, and what both networks find in them. Pixels with another class than in the "
                f"unchanged slice: {'; '.join(said)}."
            )
        return fig

    return draw


def _draw_change(ax: Any, cut: Cut, epsilon: float) -> None:
    """The change of each pixel, from dark (down) to light (up)."""
    most = max(float(np.abs(cut.labels["change"]).max()), epsilon, 1e-6)
    map_ = ax.imshow(cut.labels["change"], cmap="cividis", vmin=-most, vmax=most, aspect=cut.aspect)
    bare(ax)
    colour_bar(ax, map_)


def classes(network: Any, image: Tensor) -> Tensor:
    """What a network finds in a slice `(1, C, H, W)`: the classes `(H, W)`."""
    with torch.no_grad():
        found: Tensor = network(image)[0].argmax(dim=0)
    return found
