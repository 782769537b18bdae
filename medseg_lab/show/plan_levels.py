"""What a plan does to an image, level by level: how long voxels are, and how many along each axis."""

from typing import TYPE_CHECKING

from medseg_lab.planning.plan import Plan, Stage, times
from medseg_lab.planning.topology import LEAST
from medseg_lab.show.page import show_note
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Along = list[tuple[float, int]]
"""Of one axis, for each level: mm of a voxel, and voxels of the patch."""


def show_plan(found: Plan) -> None:
    """Display every decision with its reason: those that hold for all networks, then those of each."""
    for name, decisions in (
        ("all networks", found.decisions),
        *((s.name, s.decisions) for s in found.stages),
    ):
        show_note(f"Plan: {name}", {d.about: f"{d.choice} ({d.reason})" for d in decisions})


def plan_levels(found: Plan, network: str = "3D") -> "Figure":
    """Two panels over the levels of a planned network, with a line for each axis.

    Left: the length of a voxel, which doubles where the axis is halved. Axes of long voxels wait until the
    others have caught up, so the lines meet. Right: the voxels that are left, which stay at four or more.

    Args:
        found: the plan.
        network: which of its networks.

    Raises:
        ValueError: if the plan has no such network.
    """
    stage = found[network]
    lines, levels = by_axis(stage), range(len(stage.features))
    low = next((s for s in found.stages if "low" in s.name), None)
    more = f", and a network for {times(low.spacing)} mm" if low else ""
    said = f"{stage.name}: {stage.batch} patches of {times(stage.patch)}{more}"
    with house():
        fig = canvas(7.0, 3.4)
        lengths, edges = fig.subplots(1, 2)
        for axis, along in enumerate(lines):
            style = look(axis)
            for ax, values in zip((lengths, edges), zip(*along, strict=True), strict=True):
                ax.plot(
                    levels,
                    values,
                    style.marker,
                    color=style.colour,
                    linestyle=style.line,
                    markersize=10 - 2 * axis,
                )
        edges.axhline(LEAST, color="black", linewidth=1, linestyle=(0, (1, 2)))
        lengths.set_ylabel("mm of a voxel")
        edges.set_ylabel("voxels of the patch")
        for ax in (lengths, edges):
            ax.set_yscale("log", base=2)
            ax.yaxis.set_major_formatter("{x:g}")
            ax.set_xlabel("level, with its features")
            ax.set_xticks(levels, [f"{n}\n{f}" for n, f in zip(levels, stage.features, strict=True)])
        names = [f"axis {axis}" for axis in range(len(lines))]
        fig.legend(lengths.get_lines(), names, loc="outside lower center", ncols=3)
        fig.suptitle(said)
        fig.set_label(f"{said}. {_described(lines)}")
    return fig


def by_axis(stage: Stage) -> list[Along]:
    """For each axis and level, how long a voxel is, and how many are left."""
    found: list[Along] = []
    for axis, (length, edge) in enumerate(zip(stage.spacing, stage.patch, strict=True)):
        along = [(length, edge)]
        for stride in stage.levels.strides:
            along.append((along[-1][0] * stride[axis], along[-1][1] // stride[axis]))
        found.append(along)
    return found


def _described(lines: list[Along]) -> str:
    return " ".join(
        f"Axis {axis}: from {edge} voxels of {length:.3g} mm to {along[-1][1]} of {along[-1][0]:.3g} mm."
        for axis, along in enumerate(lines)
        for length, edge in along[:1]
    )
