"""What augmentation makes of a case, and what a network makes of that (survey 2.3.1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.changed_cases import UNITS, changed_case
from medseg_lab.show.attack_curves import draw_by_strength, means_by_strength
from medseg_lab.show.contours import Cut, handles, is_marked, panel, small_title
from medseg_lab.show.perturbations import GRID, LINES
from medseg_lab.show.spot import Spot, fullest, slab
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEUTRAL = {"turned": 0.0, "scaled": 1.0, "deformed": 0.0, "gamma": 1.0, "gain": 1.0, "noise": 0.0}
"""The amount of each way that changes nothing."""
SPATIAL = ("turned", "scaled", "deformed")


def gallery(
    case: Case, task: Task, ways: Mapping[str, Sequence[float]], *, slice_axis: int = 2, seed: int = 0
) -> "Figure":
    """One slice as it is, and changed by each amount of each way: a row a way.

    The outlines are those of the reference, which is changed with the image. A change of space bends a grid,
    too, that is drawn on it.

    Args:
        case: with a reference label.
        ways: amounts by way, as many of each (`medseg_lab.evaluation.changed_cases.changed_case`).
        slice_axis: across which a volume is cut.
        seed: of what is random.
    """
    case = slab(case, slice_axis, 1)
    place = fullest(case, slice_axis)
    rows = {
        how: [(NEUTRAL[how], _changed(case, place, how, NEUTRAL[how], slice_axis, seed))]
        + [(amount, _changed(case, place, how, amount, slice_axis, seed)) for amount in amounts]
        for how, amounts in ways.items()
    }
    columns, ratio = max(map(len, rows.values())), next(iter(rows.values()))[0][1].cut.ratio
    with house():
        fig = canvas(7.0, len(rows) * (6.6 / columns * ratio + 0.28) + 0.45)
        grid: Any = fig.subplots(len(rows), columns, squeeze=False)
        for axes, (how, cuts) in zip(grid, rows.items(), strict=True):
            for ax, (amount, cut) in zip(axes, cuts, strict=True):
                _draw(ax, cut, f"{how} {amount:g}{UNITS[how]}", task, grid=how in SPATIAL)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        said = "; ".join(
            f"{how} {', '.join(f'{amount:g}{UNITS[how]}' for amount, _ in cuts)}"
            for how, cuts in rows.items()
        )
        fig.set_label(f"One slice and its reference, changed together, weaker to stronger: {said}.")
    return fig


def deformer(case: Case, task: Task, *, slice_axis: int = 2, seed: int = 0) -> "Callable[..., Figure]":
    """What draws the frames of an explorer: a slice, deformed, and how far its voxels moved.

    The function takes `displacement_mm`, the standard deviation of the control points, and `control`, how
    many distances between them span an edge.
    """
    case = slab(case, slice_axis, 1)
    place = fullest(case, slice_axis)

    def draw(displacement_mm: float, control: int) -> "Figure":
        bent = _changed(case, place, "deformed", displacement_mm, slice_axis, seed, control)
        plain = _changed(case, place, "deformed", 0.0, slice_axis, seed, control)
        with house():
            fig = canvas(5.0, 2.4 * plain.cut.ratio + 0.75)
            axes: Any = fig.subplots(1, 2)
            _draw(axes[0], plain, "the slice", task, grid=True)
            _draw(axes[1], bent, "deformed", task, grid=True)
            before, after = (is_marked(one.cut.labels["reference"]) for one in (plain, bent))
            overlap = 2 * (before & after).sum() / max(1, before.sum() + after.sum())
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(
                f"A slice, and the same deformed by {control} x {control} distances of control points that "
                f"move by {displacement_mm:g} mm: the reference's Dice with itself before is {overlap:.2f}."
            )
        return fig

    return draw


def change_curves(tables: Mapping[str, pd.DataFrame]) -> "Figure":
    """Dice by the amount of change: a panel for each way, a line for each network, 95% intervals over cases.

    Args:
        tables: a network's name to its `medseg_lab.evaluation.changed_cases.dice_when_changed`.
    """
    found = {
        name: means_by_strength(table.rename(columns={"how": "attack", "amount": "epsilon"}))
        for name, table in tables.items()
    }
    ways = list(dict.fromkeys(how for table in found.values() for how in table["attack"]))
    with house():
        fig = canvas(7.0, 3.2)
        panels: Any = fig.subplots(1, len(ways), sharey=True, squeeze=False)[0]
        ends = draw_by_strength(panels, found, ways)
        for ax, how in zip(panels, ways, strict=True):
            ax.set_xlabel(f"{how}{f' ({UNITS[how].strip()})' if UNITS[how] else ''}")
        said = [f"{how}, {name}: from {a:.2f} to {b:.2f}" for (how, name), (a, b) in ends.items()]
        panels[0].set_ylabel("Dice")
        fig.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(found))
        )
        fig.set_label(f"Dice as images are changed more: {'; '.join(said)}.")
    return fig


class _Slice(NamedTuple):
    """A changed slice with its reference, and where each of its pixels was before, `(H, W)` for each axis."""

    cut: Cut
    places: list[NDArray]


def _changed(
    case: Case, place: Spot, how: str, amount: float, axis: int, seed: int, control: int = 4
) -> _Slice:
    """The slice in the contrast of the unchanged one; places are NaN for what lies beyond the image."""
    image, reference = case.image[:1], case.labels[:1]
    if how in SPATIAL:  # where each voxel was moves with it, as further channels
        shape = case.label.shape
        inside = torch.ones(shape)
        along = [a for a in range(len(shape)) if a != place.axis]
        image = torch.stack((image[0], inside, *(inside.cumsum(a) for a in along)))
    apart = Case(case.id, case.patient, image, reference, case.spacing)
    changed = changed_case(apart, how, amount, axis, seed, control)
    maps = {"reference": place.of(changed.label.cpu().numpy())}
    cut, *more = (place.cut(changed, maps, channel=c) for c in range(len(image)))
    places = [np.where(more[0].image > 0.999, one.image, np.nan) for one in more[1:]]
    return _Slice(replace(cut, window=place.cut(case, {}, channel=0).window), places)


def _draw(ax: Any, shown: _Slice, title: str, task: Task, *, grid: bool) -> None:
    panel(ax, shown.cut, "reference", len(task.classes))
    small_title(ax, title)
    every = max(2, round(max(shown.cut.image.shape) / LINES))
    for places in shown.places if grid else ():
        levels = np.arange(every / 2, np.nanmax(places, initial=1) + 1, every)
        ax.contour(np.ma.masked_invalid(places), levels, colors=[GRID], linewidths=0.7, alpha=0.7)
