"""How much each voxel counts for a loss with a weight map (survey 2.2.1)."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.losses.border import BorderCrossEntropy
from medseg_lab.losses.weighted import WeightedCrossEntropy
from medseg_lab.show.contours import centred, handles, outline, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_weight_maps(
    case: Case,
    losses: Mapping[str, WeightedCrossEntropy],
    task: Task,
    *,
    slice_axis: int = 2,
    edge: int = 96,
    top: float | None = None,
) -> "Figure":
    """The image with its reference, and the weight map of each loss, as a learner of slices gets it.

    Args:
        case: with a reference label; of a volume, the slice on which it marks most is shown.
        losses: by what is said of each.
        task: names the classes.
        slice_axis: across which a volume is cut.
        edge: pixels of the window that is shown, where objects lie closest together.
        top: the weight at which the colours end; by default the largest one.
    """
    place = closest_objects(case, slice_axis, edge)
    whole = Spot(place.axis, place.index, (slice(None), slice(None)))
    label = whole.of(case.label.cpu().numpy())
    spacing = case.spacing
    if spacing is not None:
        spacing = tuple(each for axis, each in enumerate(spacing) if axis != place.axis)
    maps = {name: loss.weight_map(label, spacing) for name, loss in losses.items()}
    top = max(float(found.max()) for found in maps.values()) if top is None else top
    with house():
        cut = place.cut(
            case, {name: found[place.box] for name, found in maps.items()} | {"": label[place.box]}
        )
        height = ratio(cut) * 6.2 / (1 + len(maps))
        fig = canvas(7.0, height + 0.9)
        axes = fig.subplots(1, 1 + len(maps), squeeze=False)[0]
        panel(axes[0], cut, "", len(task.classes))
        small_title(axes[0], fill(f"case {case.id}", 18))
        for ax, name in zip(axes[1:], maps, strict=True):
            drawn = heat_map(ax, cut, name, top, f"{name}: mean {maps[name].mean():.2f}")
            outline(ax, cut.labels[""] > 0, ("#FFFFFF", "-"), 0.6, shadow=False)
        colour_bar(axes[-1], drawn, "weight")
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
    said = (f"{name}, from {found.min():.2f} to {found.max():.2f}" for name, found in maps.items())
    fig.set_label(f"Weights of the voxels of case {case.id}, beside its image: {'; '.join(said)}.")
    return fig


def closest_objects(case: Case, slice_axis: int, edge: int) -> Spot:
    """The window of a slice, `edge` pixels wide, about the place with most background between two objects."""
    place = fullest(case, slice_axis)
    label: NDArray = Spot(place.axis, place.index, (slice(None), slice(None))).of(case.label.cpu().numpy())
    gaps = uniform_filter(
        BorderCrossEntropy().weight_map(label, None), min(edge, *label.shape), mode="constant"
    )
    middle = np.unravel_index(int(gaps.argmax()), label.shape)
    rows, columns = (
        centred(int(at), int(at), edge, size) for at, size in zip(middle, label.shape, strict=True)
    )
    return Spot(place.axis, place.index, (rows, columns))
