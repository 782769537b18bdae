"""What Dice says: two shapes moved away from themselves, voxel by voxel (survey 2.2.2, equation 6)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.evaluation.metrics import score
from medseg_lab.show.contours import small_title
from medseg_lab.show.first_lesson.voxels import Mask, compared, disc, moved, parts_legend
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 34
SHAPES = {"a large disc": disc(9, (SIZE, SIZE), (17, 10)), "a small one": disc(3, (SIZE, SIZE), (17, 10))}


def overlap(reference: Mask, prediction: Mask) -> dict[str, float]:
    """Dice and IoU of two masks, as every table of this book has them."""
    (row,) = score(prediction.astype(np.uint8), reference.astype(np.uint8), 2, None)
    return row


def moving_shapes(steps: Sequence[int], shapes: Mapping[str, Mask] = SHAPES) -> Callable[..., "Figure"]:
    """A function that draws shapes over copies of themselves that are some voxels off.

    For `explore(moving_shapes(steps), voxels=steps)`.

    Args:
        steps: how far the copies can be.
        shapes: two masks `(H, W)` by name, with room on the right.
    """
    curves = {
        name: [overlap(mask, moved(mask, columns=step)) for step in steps] for name, mask in shapes.items()
    }

    def draw(voxels: int) -> "Figure":
        with house():
            fig = canvas(7.0, 3.2)
            *panels, ax = fig.subplots(1, 3, width_ratios=[1, 1, 1.15])
            said = []
            for panel, (name, mask) in zip(panels, shapes.items(), strict=True):
                copy = moved(mask, columns=voxels)
                compared(panel, mask, copy)
                found = overlap(mask, copy)
                both, each = int((mask & copy).sum()), int(mask.sum())
                small_title(panel, f"{name}: Dice {found['dice']:.2f}")
                panel.set_xlabel(f"2·{both} / ({each} + {copy.sum()})")
                said.append(f"{name} Dice {found['dice']:.2f}, IoU {found['iou']:.2f}")
            _curves(ax, steps, curves, steps.index(voxels))
            fig.legend(handles=parts_legend(), loc="outside lower center", ncols=3)
            fig.set_label(f"Shapes over copies of themselves, {voxels} voxels off: {'; '.join(said)}.")
        return fig

    return draw


def _curves(
    ax: Any, steps: Sequence[int], curves: Mapping[str, Sequence[Mapping[str, float]]], now: int
) -> None:
    for number, found in enumerate(curves.values()):
        drawn = look(number)
        for metric, line in (("dice", "-"), ("iou", (0, (4, 1.5)))):
            values = [row[metric] for row in found]
            ax.plot(steps, values, color=drawn.colour, linestyle=line, linewidth=1.5)
            ax.plot(steps[now], values[now], drawn.marker, color=drawn.colour, markersize=6)
    handles = [*_handles(curves), *_lines()]
    ax.legend(handles=handles, loc="upper right", fontsize=8, handlelength=2.2, borderaxespad=0)
    ax.set(xlabel="voxels off", ylim=(-0.03, 1.03), xticks=steps[::2])


def _handles(names: Mapping[str, Any]) -> list[Any]:
    from matplotlib.lines import Line2D

    looks = [(name.removeprefix("a "), look(number)) for number, name in enumerate(names)]
    return [Line2D([], [], color=one.colour, marker=one.marker, ls="none", label=name) for name, one in looks]


def _lines() -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color="#555555", ls=line, linewidth=1.5, label=name)
        for name, line in (("Dice", "-"), ("IoU", (0, (4, 1.5))))
    ]
