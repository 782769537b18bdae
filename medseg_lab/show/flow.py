"""What a small module does with its tensors, drawn from a recorded pass: figures 3 and 4 of the survey."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from medseg_lab.networks.measure import parameters
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OPERATIONS = {
    "mean": "mean",
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "matmul": "product",
    "mul": "×",
    "add": "+",
}
"""What is drawn of a module besides its submodules, by the names of PyTorch's functions."""
WIDTH, HEIGHT = 0.8, 0.62  # of a box, in columns and rows


@dataclass(frozen=True)
class Box:
    """One operation: its name, the shape that comes out, without N, and the boxes whose tensors went in."""

    name: str
    shape: tuple[int, ...]
    sources: tuple[int, ...]


class _Recorder(TorchFunctionMode):
    """Makes a box of each operation, and remembers from which boxes each tensor comes."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: list[Box] = []
        self.origins: dict[int, tuple[Tensor, tuple[int, ...]]] = {}
        self.depth = 0

    def of(self, *values: Any) -> tuple[int, ...]:
        found = [self.origins[id(leaf)][1] for leaf in tree_leaves(values) if id(leaf) in self.origins]
        return tuple(dict.fromkeys(box for boxes in found for box in boxes))

    def add(self, name: str, out: Tensor, sources: tuple[int, ...]) -> None:
        self.boxes.append(Box(name, tuple(out.shape[1:]), sources))
        # the tensor is kept, so that no other can get its id
        self.origins[id(out)] = (out, (len(self.boxes) - 1,))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sources, name = self.of(args, kwargs), getattr(func, "__name__", "").strip("_")
        # what is detached is measured, and goes into no output
        if self.depth or not isinstance(out, Tensor) or not sources or name == "detach":
            return out
        if name in OPERATIONS:
            self.add(OPERATIONS[name], out, sources)
        elif id(out) not in self.origins:
            self.origins[id(out)] = (out, sources)
        return out

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self.depth += 1

    def leave(self, name: str, inputs: Any, out: Tensor) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.add(name, out, self.of(inputs))


def recorded_boxes(module: nn.Module, shape: Sequence[int]) -> list[Box]:
    """The operations of a module on an input `(N, C, *S)`, in order; the first box is the input.

    Its submodules are boxes, under their names, and so are the `OPERATIONS` between them.
    """
    on_meta: Any = copy.deepcopy(module).to("meta").eval()
    recorder, x = _Recorder(), torch.empty(*shape, device="meta")
    recorder.add("input", x, ())
    for name, child in on_meta.named_children():
        child.register_forward_pre_hook(recorder.enter)
        child.register_forward_hook(lambda _, inputs, out, name=name: recorder.leave(name, inputs, out))
    with torch.no_grad(), recorder:
        on_meta(x)
    return recorder.boxes


def flow(module: nn.Module, shape: Sequence[int], title: str) -> "Figure":
    """A module as boxes and arrows, as it runs on an input `(N, C, *S)`: each box with the shape it gives.

    Args:
        module: a small one, whose submodules do one thing each.
        shape: of its input.
        title: stands above, with the number of parameters.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    boxes = recorded_boxes(module, shape)
    places = layout(boxes)
    columns, rows = (max(one) for one in zip(*places, strict=True))
    with house():
        fig = Figure(figsize=(7, 0.62 * (rows + 2.4)))
        ax: Any = fig.add_axes((0, 0, 1, 1))
        ax.axis("off")
        ax.set(xlim=(-0.55, columns + 0.55), ylim=(rows + 0.5, -1.9))
        (left, low), (right, high) = ax.transData.transform([(0, 1), (1, 0)])
        row_of_column = (high - low) / (right - left)  # a row's height over a column's width
        heading = f"{title}: {parameters(module):,} parameters"
        fig.text(0.012, 0.98, heading, fontsize=11, weight="bold", va="top")
        drawn = []
        for box, (x, y) in zip(boxes, places, strict=True):
            corner = (x - WIDTH / 2, y - HEIGHT / 2)
            style: dict[str, Any] = {
                "facecolor": "#e8f1f8" if box.sources else "#fff3d6",
                "edgecolor": "#444444",
            }
            shape_ = "round,pad=0,rounding_size=0.06"
            drawn.append(
                ax.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=shape_, zorder=3, **style))
            )
            ax.text(x, y - 0.12, box.name, ha="center", va="center", fontsize=8.5, weight="bold", zorder=4)
            ax.text(
                x, y + 0.14, "×".join(map(str, box.shape)), ha="center", va="center", fontsize=7.5, zorder=4
            )
        for number, box in enumerate(boxes):
            for source in box.sources:
                (x0, y0), (x1, y1) = places[source], places[number]
                # an arrow past other boxes bows over them
                over = any(y == y0 == y1 and x0 < x < x1 for x, y in places)
                bend = -2 * 1.1 * row_of_column / (x1 - x0) if over else 0.0  # it rises by 1.1 rows
                ends: dict[str, Any] = {
                    "patchA": drawn[source],
                    "patchB": drawn[number],
                    "shrinkA": 1,
                    "shrinkB": 1,
                }
                line: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9}
                line["connectionstyle"] = f"arc3,rad={bend}"
                arrow = FancyArrowPatch((x0, y0), (x1, y1), **line, color="#444444", lw=1.3, zorder=2, **ends)
                ax.add_patch(arrow)
        names = [f"{box.name} from {' and '.join(boxes[i].name for i in box.sources)}" for box in boxes[1:]]
        fig.set_label(f"{heading}; {', '.join(names)}.")
    return fig


def layout(boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Column and row of each box: behind all its sources, and in the row of the first of them that is free.

    The row of the input is left to what comes straight from it, and to what joins it again.
    """
    places: list[tuple[int, int]] = []
    for box in boxes:
        column = max((places[i][0] + 1 for i in box.sources), default=0)
        row = min((places[i][1] for i in box.sources), default=0)
        while (column, row) in places:
            row += 1
        places.append((column, row))
    return places
