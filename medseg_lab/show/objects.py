"""Which objects a segmentation found one by one, and which it joined (survey 2.2.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.objects import JOINED, RIGHT, WRONG, object_kinds
from medseg_lab.show.contours import Line, line_handles, outline, painted, panel, small_title
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.spot import Spot
from medseg_lab.show.style import canvas, house
from medseg_lab.show.weight_maps import closest_objects

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: dict[int, Line] = {
    RIGHT: ("#56B4E9", "-"),
    JOINED: ("#F0E442", (0, (3, 1))),
    WRONG: ("#D55E00", (0, (1, 0.8))),
}
WORDS = {RIGHT: "right", JOINED: "joined", WRONG: "wrong"}


def show_objects(
    case: Case,
    predictions: Mapping[str, NDArray],
    task: Task,
    *,
    k: int = 1,
    slice_axis: int = 2,
    edge: int = 96,
) -> "Figure":
    """The reference's objects of a class, and what became of them in each prediction.

    A predicted object is right if it has an IoU above one half with one of the reference, joined if it covers
    more than half of each of several, else wrong. The numbers are those of the whole slice or picture, of
    which a window is shown.

    Args:
        case: with a reference label.
        predictions: by method, classes `(*S)` (`medseg_lab.evaluation.judge.segmentations`); at most three.
        task: names the classes.
        k: the class.
        slice_axis: across which a volume is cut; the slice shown is that on which the reference marks most.
        edge: pixels of the window, where objects lie closest together.

    Raises:
        ValueError: for more methods than fit a page.
    """
    if not 1 <= len(predictions) <= 3:
        raise ValueError(f"predictions: expected one to three methods, got {len(predictions)}")
    place = closest_objects(case, slice_axis, edge)
    whole = Spot(place.axis, place.index, (slice(None), slice(None)))
    label = whole.of(case.label.cpu().numpy()) == k
    kinds = {name: object_kinds(whole.of(found) == k, label) for name, found in predictions.items()}
    said = {
        name: ", ".join(f"{count} {WORDS[kind]}" for kind, count in counts.items())
        for name, (_, counts) in kinds.items()
    }
    with house():
        maps = {name: found[place.box] for name, (found, _) in kinds.items()} | {"": label[place.box]}
        cut = place.cut(case, maps)
        fig = canvas(7.0, ratio(cut) * 6.6 / (1 + len(kinds)) + 1.2)
        axes = fig.subplots(1, 1 + len(kinds), squeeze=False)[0]
        panel(axes[0], cut, "", 0)
        outline(axes[0], cut.labels[""], ("#FFFFFF", "-"), 0.9)
        small_title(axes[0], f"reference\n{object_count(label)} in all")
        for ax, (name, words) in zip(axes[1:], said.items(), strict=True):
            panel(ax, cut, "", 0)
            for kind, (colour, line) in LOOKS.items():
                mask = cut.labels[name] == kind
                painted(ax, mask, colour, 0.35)
                outline(ax, mask, (colour, line), 0.9)
            small_title(ax, f"{fitted([name], 26, 1)[0]}\n{words}")
        legend = line_handles([f"{task.classes[k]}: {word}" for word in WORDS.values()], list(LOOKS.values()))
        fig.legend(handles=legend, loc="outside lower center", ncols=len(legend))
    told = "; ".join(f"{name}: {words}" for name, words in said.items())
    fig.set_label(f"Objects of the class {task.classes[k]} in case {case.id}. {told}.")
    return fig


def object_count(mask: NDArray[np.bool_]) -> int:
    """The number of connected components of a mask."""
    from scipy.ndimage import label

    return int(label(mask)[1])
