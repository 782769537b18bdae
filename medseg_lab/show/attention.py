"""To which places of an image a pixel attends in a non-local block (survey 2.1.2)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.nonlocal_block import Attention, attention_map
from medseg_lab.show.contours import handles, outline, panel, small_title
from medseg_lab.show.explorer import PICKED
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attention_of(
    learner: Learner, case: Case, task: Task, *, tiles: int, slice_axis: int = 2, channel: int | None = None
) -> "Callable[[int, int], Figure]":
    """A function from the row and column of a tile to the picture of what its middle pixel attends to.

    Shown is the fullest slice of the case, around what the reference marks. It is cut into tiles x tiles. The
    other panels are the network's attentions, the finest first: how many times its even share a place gets.

    Args:
        learner: of slices, whose network has `Attention`.
        case: with a reference.
        task: names the classes.
        tiles: along either axis.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: if the network has no attention.
    """
    network = learner.network.eval()
    levels = sum(isinstance(module, Attention) for module in network.modules())
    if not levels:
        raise ValueError(f"network: expected one with attention, got {type(network).__name__} without")
    place = fullest(case, slice_axis, least=learner.patch)
    image, reference = place.image(case).float(), place.of(case.label.cpu().numpy())
    grids: Any = np.indices(reference.shape)  # (2, H, W): the pixel at each place

    def draw(row: int, column: int) -> "Figure":
        # pictures of slices are turned, so the pixel is looked up at its place on the page
        upright = place.cut(case, {"reference": reference, "row": grids[0], "column": grids[1]}, channel)
        height, width = upright.image.shape[:2]
        y, x = (int((tile + 0.5) / tiles * size) for tile, size in ((row, height), (column, width)))
        pixel = int(upright.labels["row"][y, x]), int(upright.labels["column"][y, x])
        maps = {f"map {n}": attention_map(network, image, pixel, n).numpy() for n in range(levels)}
        cut = place.cut(case, maps | {"reference": reference}, channel)
        said = []
        with house():
            fig = canvas(7.0, 6.2 / (1 + levels) * ratio(cut) + 0.8)
            first, *others = fig.subplots(1, 1 + levels)
            panel(first, cut, "reference", len(task.classes))
            first.set_gid(PICKED)
            small_title(first, "the pixel")
            for ax, name in zip(others, maps, strict=True):
                top = float(cut.labels[name].max())
                map_ = heat_map(ax, cut, name, max(top, 2.0), f"block {int(name[4:]) + 1}: up to {top:.1f}")
                for k in range(1, len(task.classes)):
                    outline(ax, cut.labels["reference"] == k, ("#FFFFFF", "-"), 0.8, shadow=False)
                fig.colorbar(map_, ax=ax, aspect=20, shrink=0.8)
                said.append(f"{top:.1f}")
            for ax in (first, *others):
                ax.plot(x, y, "+", color="white", markersize=13, markeredgewidth=3.2)
                ax.plot(x, y, "+", color="#D55E00", markersize=12, markeredgewidth=1.6)
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(
                f"Case {case.id}: attention of the pixel in row {row + 1}, column {column + 1} of {tiles}; "
                f"the place with most gets {' and '.join(said)} times its even share."
            )
        return fig

    return draw
