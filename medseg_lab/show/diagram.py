"""A network's structure, drawn from the module itself (see `medseg_lab.networks.structure`)."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import nn

from medseg_lab.networks.measure import parameters
from medseg_lab.networks.structure import INPUT, Edge, Structure, size, trace

# Okabe and Ito's colours, told apart by the colour-blind; skips are dashed besides, and arrows point.
DOWN, UP, SKIP, PLAIN, AROUND = "#D55E00", "#0072B2", "#00795A", "#444444", "#A0447F"
WIDTH, HEIGHT = 0.84, 0.64  # of a box, in columns and rows
Places = dict[str, tuple[int, int]]


def diagram(
    network: nn.Module, image_shape: Sequence[int], title: str | None = None, **forward: Any
) -> Figure:
    """The network as boxes and arrows, as it runs on an image `(N, C, *S)`; 700 pixels wide.

    A box is a stage: its output channels in bold, then its convolutions and their size. Rows are
    resolutions, from the image's at the top. Arrows are what the tensors did: a skip that the code drops is
    gone from the picture.

    Args:
        network: one with `stages()`, such as all of section 2.1.1.
        title: the class's name if None; the number of parameters is added.
        forward: passed to the network, such as `depth=1` for a U-Net++; what is not computed is drawn
            faint.
    """
    whole = trace(network, image_shape)
    used = trace(network, image_shape, **forward) if forward else whole
    places = layout(whole)
    columns, rows = (max(values) for values in zip(*places.values(), strict=True))

    figure = Figure(figsize=(7, 0.74 * (rows + 2.7)), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    margin = 0.0115 * max(
        len(size(stage.shape)) for stage in whole.stages.values()
    )  # of the width, for labels
    left, right = -0.6, columns + 0.5
    left -= (margin + 0.02) * (right - left) / (1 - margin)
    axes.set(xlim=(left, right), ylim=(rows + 0.95, -1.75))
    counted = f"{parameters(network):,} parameters" + (" in the whole" if forward else "")
    heading = f"{title or type(network).__name__}: {counted}"
    figure.text(0.012, 0.985, heading, fontsize=11, weight="bold", va="top")

    for row, shape in {
        row: whole.stages[name].shape for name, (_, row) in places.items() if row >= 0
    }.items():
        axes.text(-0.6, row, size(shape), fontsize=9, ha="right", va="center", color=PLAIN)
        axes.plot([-0.5, columns + 0.4], [row, row], color="#e4e4e4", lw=6, zorder=0, solid_capstyle="round")
    boxes = {name: _box(axes, whole, name, places[name], name in used.stages) for name in whole.stages}
    skips, styles = whole.skips(), []
    for edge in whole.edges:
        colour, dashes, meaning = _style(edge, whole, skips)
        styles.append((colour, dashes, meaning))
        ends = {"patchA": boxes[edge.source], "patchB": boxes[edge.target], "shrinkA": 1, "shrinkB": 1}
        bend = _bend(axes, edge, places)
        _arrow(
            axes, places[edge.source], places[edge.target], bend, colour, dashes, edge in used.edges, **ends
        )
    if any(stage.shortcut for stage in whole.stages.values()):
        styles.append((AROUND, ":", "shortcut"))
    lines = [
        Line2D([], [], color=c, ls=dashes, lw=1.6, label=label) for c, dashes, label in dict.fromkeys(styles)
    ]
    close = {"frameon": False, "columnspacing": 1.2, "handlelength": 1.8}
    figure.legend(handles=lines, loc="lower center", ncols=5, fontsize=8.5, **close)
    figure.set_label(f"{heading}; {whole.describe()}")
    return figure


def layout(structure: Structure) -> Places:
    """Column and row of each stage: how far along it is, and its resolution. The first row is 0.

    That makes a U of a U-Net and a triangle of a U-Net++. The image and the logits stand above all, at row
    -1.
    """
    far = structure.progress()
    shapes = structure.resolutions()
    sources = {e.source for e in structure.edges}
    places: Places = {}
    for name, stage in structure.stages.items():
        if name == INPUT:
            places[name] = (0, -1)
        elif name not in sources:
            places[name] = (max(places[e.source][0] for e in structure.edges if e.target == name), -1)
        else:
            column, row = far[name] - 1, shapes.index(stage.shape)
            while (column, row) in places.values():
                column += 1
            places[name] = (column, row)
    return places


def _box(axes: Axes, structure: Structure, name: str, place: tuple[int, int], used: bool) -> FancyBboxPatch:
    x, y = place
    stage = structure.stages[name]
    ink = 1 if used else 0.3
    box = FancyBboxPatch(
        *((x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT),
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="#fff3d6" if y < 0 else "#e8f1f8",
        edgecolor=PLAIN,
        alpha=ink,
        zorder=3,
    )
    axes.add_patch(box)
    first, *second = (stage.content or "channel").split("\n")
    heights, small = ((-0.22, -0.04, 0.09, 0.22), 6) if second else ((-0.18, 0, 0.19), 7)
    lines = (
        (name, 7, "normal"),
        (f"{stage.channels}", 9.5, "bold"),
        *((t, small, "normal") for t in (first, *second)),
    )
    for below, (text, points, weight) in zip(heights, lines, strict=True):
        look: dict[str, Any] = {"fontsize": points, "weight": weight, "alpha": ink, "zorder": 4}
        axes.text(x, y + below, text, ha="center", va="center", **look)
    if stage.shortcut:
        ends = (x - 0.3 * WIDTH, y + HEIGHT / 2), (x + 0.3 * WIDTH, y + HEIGHT / 2)
        _arrow(axes, *ends, 0.25, AROUND, ":", used, shrinkA=0, shrinkB=0)
    return box


def _style(edge: Edge, structure: Structure, skips: list[Edge]) -> tuple[str, str, str]:
    """Colour, line style and meaning of an arrow."""
    before, after = structure.stages[edge.source], structure.stages[edge.target]
    if edge in skips:
        return SKIP, "--", f"skip ({edge.way[-1] if edge.way else after.content})"
    if edge.way and after.shape < before.shape:
        return DOWN, "-", f"{edge.way[0]}"
    if edge.way and after.shape > before.shape:
        return UP, "-", f"{edge.way[0]}"
    return PLAIN, "-", "next stage"


def _bend(axes: Axes, edge: Edge, places: Places) -> float:
    """How far an arrow bows, as `connectionstyle` takes it, to pass over the boxes between its ends."""
    (x0, y0), (x1, y1) = places[edge.source], places[edge.target]
    between = sum(y == y0 == y1 and x0 < x < x1 for x, y in places.values())
    if not between:
        return 0
    (left, top), (right, bottom) = axes.transData.transform([(x0, 0), (x1, 1)])
    rise = 0.36 + 0.12 * between  # in rows; a bow rises to half its `rad` times its length
    return -2 * rise * (top - bottom) / (right - left)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    bend: float,
    colour: str,
    dashes: str,
    used: bool,
    **ends: Any,
) -> None:
    arrow = FancyArrowPatch(
        *(start, end),
        arrowstyle="-|>",
        mutation_scale=9,
        connectionstyle=f"arc3,rad={bend}",
        color=colour,
        linestyle=dashes,
        lw=1.4,
        alpha=1 if used else 0.2,
        zorder=2,
        **ends,
    )
    axes.add_patch(arrow)
