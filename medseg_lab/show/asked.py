"""What a network asked to have labelled, round after round (survey 5.3)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.inference.sample import sample_case
from medseg_lab.outlook.acquisition import Uncertain, uncertainty
from medseg_lab.outlook.units import WHOLE, Unit, cut, foreground, labels_of, pool_of
from medseg_lab.show.contours import (
    Cut,
    cut_slice,
    handles,
    is_marked,
    panel,
    per_slice,
    pictured,
    small_title,
)
from medseg_lab.show.heat_map import heat_map
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.run import Run
from medseg_lab.uncertainty.mc_dropout import MCDropout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medseg_lab.data.cohort import Cohort

MAPS = {"entropy": "entropy", "bald": "BALD", "variance": "variance"}
"""The measures of uncertainty, as columns are called."""


@dataclass(frozen=True)
class Asked:
    """What a run and the rounds before it had labelled.

    Args:
        run: the last round.
        pool: what could be asked for, with its labels.
        axis: across which slices lie; None for pictures.
        rounds: the units of each round, in the order of asking; the first are the start set.
    """

    run: Run
    pool: tuple[Case, ...]
    axis: int | None
    rounds: tuple[tuple[Unit, ...], ...]

    def case(self, unit: Unit) -> Case:
        """The case of a unit; the first of a patient's."""
        return self.pool[unit.case]

    def place(self, unit: Unit) -> float:
        """Where the middle of a slice lies in its volume: 0 to 1."""
        return (unit.slice + 0.5) / self.case(unit).image.shape[(self.axis or 0) + 1]

    def shows_foreground(self, unit: Unit) -> bool:
        """Whether the labels of a unit have any."""
        return any(foreground(labels) for labels in labels_of(self.pool, unit, self.axis))


def asked_by(run: Run, cohort: "Cohort") -> Asked:
    """What a run of `ActiveLearning` asked for.

    Args:
        run: its last round.
        cohort: that it was trained on, in which all labels are.
    """
    learner: Any = run.learner()
    pool = pool_of(cohort, learner.pool)
    volumes = cohort.task.spatial_dims == 3
    axis = (cohort.card.preprocessing.slice_axis + learner.plane) % 3 if volumes else None
    return Asked(run, pool, axis, tuple(map(tuple, learner.asked_for)))


def asked_for(asked: Mapping[str, Asked], number: int, task: Task, most: int = 8) -> "Figure":
    """A row a strategy: what it asked for in a round, in the order of asking, with the labels it got.

    Args:
        asked: by the strategy's name.
        number: of the round; 0 for the start set.
        task: names the classes.
        most: units shown of each, at most.

    Raises:
        ValueError: where nobody asked for anything in that round.
    """
    rows = {name: [cut_of(one, unit) for unit in of_round(one, number)[:most]] for name, one in asked.items()}
    columns = max(map(len, rows.values()), default=0)
    if not columns:
        raise ValueError(f"number: expected a round in which something was asked for, got {number}")
    ratio = max(one.ratio for cuts in rows.values() for one in cuts)
    with house():
        inch = 6.3 / columns
        fig = canvas(7.0, len(rows) * (min(ratio, 1.6) * inch + 0.2) + 0.6)
        grid = fig.subplots(len(rows), columns, squeeze=False)
        said = []
        for (name, cuts), axes in zip(rows.items(), grid, strict=True):
            one = asked[name]
            units = of_round(one, number)[:most]
            for ax in axes:
                ax.set(xticks=[], yticks=[], frame_on=False)
            for ax, shown, unit in zip(axes, cuts, units, strict=False):
                panel(ax, shown, "label", len(task.classes))
                small_title(ax, _place(one, unit))
                ax.title.set_fontsize(6.5)
            axes[0].set_ylabel(_broken(name), fontsize=8)
            some = sum(map(one.shows_foreground, units))
            said.append(f"{name}: {some} of {len(units)} with foreground")
        fig.legend(handles=handles(task), loc="outside lower center", ncols=max(1, len(task.foreground)))
        fig.set_layout_engine("constrained", w_pad=0.01, h_pad=0.02, wspace=0.01, hspace=0.01)
        what = "Start set" if number == 0 else f"Round {number}"
        fig.set_label(f"{what}: what each strategy asked for, with the labels. {'; '.join(said)}.")
    return fig


def asked_maps(asked: Mapping[str, Asked], number: int, task: Task) -> "Figure":
    """What each strategy asked for first in a round, and how unsure its network was of it.

    A row a strategy: the slice with its labels, then what each pixel has of the three measures, by passes
    that are drawn anew. Each measure has one scale for all rows.

    Args:
        asked: by the strategy's name.
        number: of the round, 1 or later.
        task: names the classes.

    Raises:
        ValueError: for a round in which none of them asked for anything.
    """
    from matplotlib.ticker import MaxNLocator

    rows = {name: _with_maps(one, number) for name, one in asked.items() if of_round(one, number)}
    if number < 1 or not rows:
        raise ValueError(f"number: expected a round in which something was asked for, got {number}")
    tops = {kind: max(float(one.labels[kind].max()) for one in rows.values()) for kind in MAPS}
    with house():
        height = 1.35 * min(1.5, max(one.ratio for one in rows.values()))
        fig = canvas(7.0, len(rows) * (height + 0.15) + 1.1)
        grid = fig.subplots(len(rows) + 1, 4, squeeze=False, height_ratios=[height] * len(rows) + [0.08])
        for (name, shown), axes in zip(rows.items(), grid, strict=False):
            first = shown is next(iter(rows.values()))
            panel(axes[0], shown, "label", len(task.classes))
            axes[0].set_ylabel(_broken(name), fontsize=8)
            small_title(axes[0], "labels" if first else "")
            for ax, bar, (kind, title) in zip(axes[1:], grid[-1, 1:], MAPS.items(), strict=True):
                map_ = heat_map(ax, shown, kind, tops[kind], title if first else "")
                if first:
                    unit = "probability²" if kind == "variance" else "nats"
                    fig.colorbar(map_, cax=bar, orientation="horizontal", label=unit, ticks=MaxNLocator(3))
        grid[-1, 0].set_axis_off()
        fig.legend(handles=handles(task), loc="outside lower center", ncols=max(1, len(task.foreground)))
        units = [f"{name} {_place(asked[name], of_round(asked[name], number)[0])}" for name in rows]
        fig.set_label(
            f"The first that each strategy asked for in round {number}, with labels, and maps of entropy, "
            f"BALD and variance: {'; '.join(units)}."
        )
    return fig


def where_asked(asked: Mapping[str, Asked]) -> "Figure":
    """Where in their volumes the slices lie that were asked for: a row a strategy, a mark a slice.

    Marks of a round have one shape, and lie on one line, those of the same slice of several volumes a little
    below one another; a mark is filled where the labels show foreground.

    Args:
        asked: by the strategy's name.

    Raises:
        ValueError: where whole patients were asked for.
    """
    if any(unit.slice == WHOLE for one in asked.values() for of in one.rounds for unit in of):
        raise ValueError("asked: expected slices of volumes, got whole patients")
    rounds = max(len(one.rounds) for one in asked.values())
    with house():
        fig = canvas(7.0, 0.9 + 0.13 * (rounds + 1) * len(asked))
        ax = fig.add_subplot()
        said = []
        for row, (name, one) in enumerate(asked.items()):
            shows = []
            for number, units in enumerate(one.rounds):
                seen = Counter[int]()
                for unit in units:
                    style, filled = look(number), one.shows_foreground(unit)
                    shows += [filled] if number else []
                    ax.plot(
                        one.place(unit),
                        row + 0.7 * ((number + 0.5) / rounds - 0.5) + 0.05 * seen[unit.slice],
                        linestyle="none",
                        marker=style.marker,
                        markersize=5,
                        color=style.colour,
                        markerfacecolor=style.colour if filled else "white",
                    )
                    seen[unit.slice] += 1
            said.append(f"{name}: {np.mean(shows) if shows else 0:.0%} with foreground")
        ax.set(xlim=(0, 1), ylim=(len(asked) - 0.5, -0.5), xlabel="place in the volume")
        ax.set_yticks(range(len(asked)), [text.replace(": ", "\n") for text in said])
        ax.grid(axis="y", visible=False)
        ax.hlines(np.arange(1, len(asked)) - 0.5, 0, 1, color="#CCCCCC", linewidth=0.6)
        fig.legend(handles=_round_handles(rounds), loc="outside lower center", ncols=rounds + 1)
        fig.set_label(f"Where the slices lie that were asked for after the start: {'; '.join(said)}.")
    return fig


def of_round(one: Asked, number: int) -> tuple[Unit, ...]:
    """The units of a round; none where there was no such round."""
    return one.rounds[number] if number < len(one.rounds) else ()


def cut_of(one: Asked, unit: Unit, maps: Mapping[str, NDArray] | None = None) -> Cut:
    """The slice of a unit with its `label`, and other maps (*S) of its case; of a whole one the fullest."""
    case = one.case(unit)
    label = case.label.numpy()
    index = unit.slice
    if unit.slice == WHOLE:
        index = int(per_slice(is_marked(label), one.axis).argmax()) if one.axis is not None else 0
    return cut_slice(pictured(case), {"label": label, **(maps or {})}, case.spacing, one.axis or 0, index)


def _with_maps(one: Asked, number: int) -> Cut:
    """The first slice asked for in a round, with a map of each measure."""
    unit = one.rounds[number][0]
    before: Any = one.run.rounds()[number].learner()  # the first of all is untrained, the next the start
    image = cut(one.case(unit).image, [unit.slice], one.axis)
    axis = one.axis if one.axis is not None else -1
    passes = getattr(one.run.learner(), "passes", 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        samples = sample_case(MCDropout(learner=before), image, passes, slice_axis=axis - before.plane)
    maps = {kind: uncertainty(samples, kind).numpy() for kind in get_args(Uncertain)}
    if unit.slice != WHOLE:  # of the one slice that was predicted
        maps = {
            kind: np.repeat(map_, one.case(unit).image.shape[axis + 1], axis) for kind, map_ in maps.items()
        }
    return cut_of(one, unit, maps)


def _place(one: Asked, unit: Unit) -> str:
    name = re.split("[-_]", one.case(unit).id)[-1][-10:]
    return name if unit.slice == WHOLE else f"{name}: {unit.slice}"


def _broken(name: str) -> str:
    """A name of several words on two lines."""
    words = name.split()
    half = (len(words) + 1) // 2
    return "\n".join(" ".join(part) for part in (words[:half], words[half:]) if part)


def _round_handles(rounds: int) -> Sequence[Any]:
    from matplotlib.lines import Line2D

    def mark(number: int, label: str, filled: bool = True) -> Any:
        style = look(number)
        face = style.colour if filled else "white"
        return Line2D(
            [], [], linestyle="none", marker=style.marker, color=style.colour, mfc=face, label=label
        )

    names = ["start", *(f"round {number}" for number in range(1, rounds))]
    return [*(mark(i, name) for i, name in enumerate(names)), mark(0, "open: no foreground", filled=False)]
