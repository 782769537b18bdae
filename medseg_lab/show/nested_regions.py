"""Regions that lie in one another: their outlines on a case, and how probable networks take each (2.1.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import CONTOURS, line_handles, outline, panel, small_title
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Mapper(Protocol):
    """A learner of nested regions (`medseg_lab.nested`)."""

    patch: tuple[int, ...]

    def maps(self, image: Tensor) -> Tensor:
        """How probable each region is, `(N, L, *S)`."""


def nested_outlines(
    case: Case, task: Task, names: Sequence[str], contrasts: Sequence[str], *, slice_axis: int = 2
) -> "Figure":
    """The outline of each region on every contrast of one slice, the one on which most is marked.

    Args:
        case: with a reference label.
        task: whose nested regions are drawn.
        names: of the regions, outermost first.
        contrasts: names of the image's channels.
        slice_axis: across which a volume is cut.
    """
    place = fullest(case, slice_axis)
    regions = _regions(place, case, task)
    with house():
        cuts = [place.cut(case, regions, channel) for channel in range(len(contrasts))]
        fig = canvas(7.0, 6.6 / len(cuts) * ratio(cuts[0]) + 0.9)
        for ax, cut, title in zip(np.atleast_1d(fig.subplots(1, len(cuts))), cuts, contrasts, strict=True):
            panel(ax, cut, "", 0)
            small_title(ax, title)
            for name, look in zip(regions, CONTOURS, strict=False):
                outline(ax, cut.labels[name] > 0, look, 1.5)
        fig.legend(handles=line_handles(names), loc="outside lower center", ncols=len(names))
        said = ", ".join(
            f"{name} {int((cuts[0].labels[region] > 0).sum())} pixels"
            for name, region in zip(names, regions, strict=True)
        )
        fig.set_label(f"Case {case.id}, one slice in {len(cuts)} contrasts with nested outlines: {said}.")
    return fig


def region_maps(
    learners: Mapping[str, Mapper],
    case: Case,
    task: Task,
    names: Sequence[str],
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """A row for each network: the image, and the probability of each region with its reference outlined.

    Args:
        learners: by name, trained on slices.
        case: with a reference label; shown is the slice on which it marks most.
        task: whose nested regions they are.
        names: of the regions, outermost first.
        slice_axis: across which a volume is cut.
        channel: of the image that is shown.
    """
    place = fullest(case, slice_axis, least=next(iter(learners.values())).patch)
    regions = _regions(place, case, task)
    with house():
        found = {name: _maps(learner, place.image(case)) for name, learner in learners.items()}
        cuts = {name: place.cut(case, regions | maps, channel) for name, maps in found.items()}
        height = 5.8 / (1 + len(names)) * ratio(next(iter(cuts.values())))
        fig = canvas(7.0, len(cuts) * height + 0.35)
        grid: Any = fig.subplots(len(cuts), 1 + len(names), squeeze=False)
        for (name, cut), (first, *others) in zip(cuts.items(), grid, strict=True):
            panel(first, cut, "", 0)
            first.set_ylabel(name, fontsize=9)
            if cut is next(iter(cuts.values())):
                small_title(first, "image")
            for number, (ax, title, look) in enumerate(zip(others, names, CONTOURS, strict=False)):
                map_ = heat_map(ax, cut, f"map {number}", 1, title if first is grid[0, 0] else "")
                outline(first, cut.labels[f"region {number}"] > 0, look, 1.2)
                outline(ax, cut.labels[f"region {number}"] > 0, ("#FFFFFF", "-"), 0.8)
        fig.colorbar(map_, ax=grid[:, -1], label="probability", aspect=20 * len(cuts), shrink=0.9)
        inside = ", ".join(f"{name}: {_inside(cut.labels, len(names))}" for name, cut in cuts.items())
        fig.set_label(
            f"Case {case.id}: how probable each network takes each region, with the reference outlined. Mean "
            f"probability inside the reference of {', '.join(names)}: {inside}."
        )
    return fig


def _regions(place: Spot, case: Case, task: Task) -> dict[str, NDArray]:
    """Where the reference has each region at this place, `(H, W)`."""
    label = place.of(case.label.cpu().numpy())
    return {f"region {i}": np.isin(label, region).astype(int) for i, region in enumerate(task.nested)}


def _maps(learner: Any, image: Tensor) -> dict[str, NDArray]:
    with torch.no_grad():
        return {f"map {i}": found.numpy() for i, found in enumerate(learner.maps(image.float())[0])}


def _inside(labels: Mapping[str, NDArray], regions: int) -> str:
    found = []
    for i in range(regions):
        mask = labels[f"region {i}"] > 0
        found.append(f"{labels[f'map {i}'][mask].mean():.2f}" if mask.any() else "none there")
    return " and ".join(found)
