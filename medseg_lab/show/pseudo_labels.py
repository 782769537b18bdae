"""How good pseudo-labels are, round by round, and which of their errors stay (survey 3.1).

The truth of a case without labels is in no training cohort. A figure takes it from the cohort that may use
all labels: `lesson.with_labels(None).cohort.labelled`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import score
from medseg_lab.show.contours import (
    Cut,
    cut_slice,
    handles,
    in_rows,
    is_marked,
    painted,
    panels,
    per_slice,
    pictured,
    small_title,
    square_box,
)
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAYED, ANEW, MENDED, OPEN = "#D55E00", "#CC79A7", "#009E73", "#999999"
NAMES = {STAYED: "wrong from the first", ANEW: "wrong anew", MENDED: "no longer wrong", OPEN: "no label"}
"""What became of a voxel since the first pseudo-labels, by the colour in which it is painted."""


def pseudo_label_quality(
    runs: Mapping[str, Sequence[Run]], truth: Sequence[Case], task: Task
) -> pd.DataFrame:
    """What became of each case's pseudo-labels in each round, held against the truth.

    Args:
        runs: a method's name to its runs; rounds are those that a run rests on, and itself.
        truth: the cases with their reference labels; those without pseudo-labels are left out.
        task: names the classes.

    Returns:
        A row a method, seed, round and case: a column of Dice for each foreground class, over the voxels that
        have a pseudo-label; `labelled`, their share; and the number of voxels that are `wrong`, of which
        `stayed` were wrong in the first round, too, `first` of them in all. Voxels that the reference leaves
        open count as right.
    """
    rows = []
    for method, found in runs.items():
        for run in found:
            before: dict[str, NDArray] = {}
            for number, made in enumerate(_rounds(run, truth), start=1):
                for case in (one for one in truth if one.id in made):
                    begun = before.setdefault(case.id, made[case.id])
                    row = {"method": method, "seed": run.record.seed, "round": number, "case": case.id}
                    rows.append(row | _judged(made[case.id], begun, case, task))
    return pd.DataFrame(rows)


def quality_by_round(quality: pd.DataFrame, task: Task) -> "Figure":
    """Dice of the pseudo-labels by round, the share of voxels that have one, and their errors.

    Dice is the mean over the cases and seeds: of each class where there is one method, else over the classes.
    Errors are over those of the first round: solid all of them, dashed those that were there from the first.

    Args:
        quality: as of `pseudo_label_quality`.
        task: names the classes.

    Raises:
        ValueError: where there are no pseudo-labels.
    """
    if quality.empty:
        raise ValueError("quality: expected rounds with pseudo-labels, got none")
    methods, classes = list(dict.fromkeys(quality["method"])), list(task.foreground)
    by_round = quality.groupby(["method", "round"])
    dice, kept = by_round[classes].mean(), by_round["labelled"].mean()
    sums = by_round[["wrong", "stayed", "first"]].sum()
    share = sums.div(sums["first"].clip(lower=1), axis=0)
    lines = {name: dice.loc[methods[0], name] for name in classes}
    if len(methods) > 1:
        lines = {name: dice.loc[name].mean(axis=1) for name in methods}
    with house():
        fig = canvas(7.0, 3.0)
        first, second, third = fig.subplots(1, 3)
        for index, (name, line) in enumerate(lines.items()):
            _line(first, line, index, label=fitted([name], 22)[0])
        for index, name in enumerate(methods):
            at = index if len(methods) > 1 else len(lines)  # a look of its own: it is of all classes
            _line(second, kept.loc[name], at)
            _line(third, share.loc[name, "wrong"], at, linestyle="-")
            _line(third, share.loc[name, "stayed"], at, linestyle=":")
        for ax, title in zip(
            (first, second, third),
            ("Dice", "share of voxels\nthat have a label", "wrong voxels over those\nof the first round"),
            strict=True,
        ):
            small_title(ax, title)
            ax.set(xlabel="round", xticks=sorted(set(quality["round"])))
            ax.margins(x=0.15)
        second.set_ylim(0, 1.05)
        third.set_ylim(0, 1.1 * max(1.0, share["wrong"].max()))
        fig.legend(loc="outside lower center", ncols=min(3, len(lines)))
        fig.set_label(_said(lines, kept, share, methods))
    return fig


def label_errors(
    run: Run, cases: Mapping[str, Case], task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """The pseudo-labels of a few cases in every round: what is wrong, and since when.

    A row is a case, in the slice where most voxels were ever wrong; a panel is a round. The outlines of the
    first panel are the reference's, the others' those of the pseudo-labels.

    Args:
        run: the last round.
        cases: with their reference, by what is written beside them.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; None for the first, or the colours of a photograph.

    Raises:
        ValueError: for no case, or one that has no pseudo-label.
    """
    rounds = _rounds(run, list(cases.values()))
    _check(rounds, cases)
    numbers = range(1, len(rounds) + 1)
    with house():
        cuts = [
            _cut(case, [made[case.id] for made in rounds], slice_axis, channel) for case in cases.values()
        ]
        names = ["reference", *(f"round {number}" for number in numbers)]
        fig, grid = panels([[(cut, name) for name in names] for cut in cuts], task)
        said = []
        for row, (title, case, cut, axes) in enumerate(zip(cases, cases.values(), cuts, grid, strict=True)):
            axes[0].set_ylabel(f"{title}\n{case.id}", fontsize=9)
            small_title(axes[0], "" if row else "reference")
            for number in numbers:
                kind = outcome(rounds[number - 1][case.id], rounds[0][case.id], _reference(case))
                _paint(axes[number], cut, number)
                counts = _counts(kind).replace(", ", "\n")
                small_title(axes[number], counts if row else f"round {number}\n{counts}")
                said.append(f"case {case.id}, round {number}: {_counts(kind)}")
        for old in fig.legends:
            old.remove()
        fig.set_figheight(fig.get_figheight() + 0.4)
        fig.legend(**in_rows(handles(task), _patches(cuts)), loc="outside lower center")
        fig.set_label(f"Pseudo-labels by round, with what is wrong in the whole case. {'; '.join(said)}.")
    return fig


def errors_by_round(
    run: Run, cases: Mapping[str, Case], task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> tuple[Callable[[str, int], "Figure"], dict[str, Any]]:
    """A function that draws one case in one round, and the values of its arguments, for `explore`.

    `draw, grid = errors_by_round(run, cases, task)`, then `explore(draw, **grid)`. Arguments and errors are
    those of `label_errors`.
    """
    rounds = _rounds(run, list(cases.values()))
    _check(rounds, cases)
    cuts = {
        name: _cut(case, [made[case.id] for made in rounds], slice_axis, channel)
        for name, case in cases.items()
    }

    def draw(case: str, round: int) -> "Figure":
        shown, cut = cases[case], cuts[case]
        kind = outcome(rounds[round - 1][shown.id], rounds[0][shown.id], _reference(shown))
        with house():
            fig, (axes,) = panels([[(cut, name) for name in ("image", "reference", f"round {round}")]], task)
            for ax, title in zip(
                axes, ("image", "reference", f"round {round}: {_counts(kind)}"), strict=True
            ):
                small_title(ax, title)
            _paint(axes[-1], cut, round)
            for old in fig.legends:
                old.remove()
            fig.set_figheight(fig.get_figheight() + 0.4)
            fig.legend(**in_rows(handles(task), _patches(list(cuts.values()))), loc="outside lower center")
            fig.set_label(f"Case {shown.id}, {case}; pseudo-labels of round {round}: {_counts(kind)}.")
        return fig

    return draw, {"case": list(cases), "round": list(range(1, len(rounds) + 1))}


def outcome(label: NDArray, first: NDArray, reference: NDArray) -> NDArray[np.uint8]:
    """What became of each voxel `(*S)` since the first round.

    Returns:
        1 where it is wrong, and was in the first round; 2 where it is wrong anew; 3 where it was wrong and is
        not; 4 where it has no label; 0 elsewhere, and where the reference is open.
    """
    known = reference != IGNORE
    wrong, was = (known & (one != IGNORE) & (one != reference) for one in (label, first))
    found = np.zeros(label.shape, dtype=np.uint8)
    found[was & ~wrong] = 3
    found[wrong] = 2
    found[wrong & was] = 1
    found[known & (label == IGNORE)] = 4
    return found


def _rounds(run: Run, cases: Sequence[Case]) -> list[dict[str, NDArray]]:
    """The pseudo-labels of each round that has any, first to last."""
    return [made for one in run.rounds() if (made := one.pseudo_labels(cases))]


def _reference(case: Case) -> NDArray:
    found: NDArray = case.label.cpu().numpy()
    return found


def _judged(label: NDArray, first: NDArray, case: Case, task: Task) -> dict[str, float]:
    reference = _reference(case)
    has = label != IGNORE
    known = np.where(has, reference, IGNORE)
    dice = [np.nan] * len(task.foreground)
    if (known != IGNORE).any():
        rows = score(np.where(has, label, 0), known, len(task.classes), None, metrics=["dice"])
        dice = [row["dice"] for row in rows]
    kind, begun = outcome(label, first, reference), outcome(first, first, reference)
    counts = {"wrong": np.isin(kind, (1, 2)), "stayed": kind == 1, "first": begun == 1}
    return {
        **dict(zip(task.foreground, dice, strict=True)),
        "labelled": float(has.mean()),
        **{name: int(mask.sum()) for name, mask in counts.items()},
    }


def _check(rounds: Sequence[Mapping[str, NDArray]], cases: Mapping[str, Case]) -> None:
    if not cases or not rounds:
        raise ValueError("cases, run: expected cases and rounds with pseudo-labels, got none")
    if without := [case.id for case in cases.values() if any(case.id not in made for made in rounds)]:
        raise ValueError(f"cases: expected those with pseudo-labels in each round, got {without[0]}")


def _cut(case: Case, labels: Sequence[NDArray], axis: int, channel: int | None) -> Cut:
    """The slice on which most voxels were ever wrong, cut to what anybody marked there."""
    reference = _reference(case)
    kinds = [outcome(label, labels[0], reference) for label in labels]
    index = 0
    if reference.ndim == 3:
        ever = sum(per_slice(np.isin(kind, (1, 2)), axis) for kind in kinds)
        index = int(np.argmax(ever if np.any(ever) else per_slice(is_marked(reference), axis)))
    maps = {"reference": reference}
    for number, (label, kind) in enumerate(zip(labels, kinds, strict=True), start=1):
        maps |= {f"round {number}": label, f"outcome {number}": kind}
    cut = cut_slice(pictured(case, channel), maps, case.spacing, axis, index)
    marked = np.any([is_marked(m) for name, m in cut.labels.items() if "outcome" not in name], axis=0)
    if not marked.any():
        return cut
    box = square_box(marked, [cut.aspect, 1.0])
    return replace(cut, image=cut.image[box], labels={name: label[box] for name, label in cut.labels.items()})


def _paint(ax: Any, cut: Cut, number: int) -> None:
    for kind, colour in enumerate(NAMES, start=1):
        painted(ax, cut.labels[f"outcome {number}"] == kind, colour, 0.35 if colour == OPEN else 0.75)


def _counts(kind: NDArray) -> str:
    stayed, anew = (int((kind == number).sum()) for number in (1, 2))
    return f"{stayed + anew:,} wrong, {anew:,} anew"


def _patches(cuts: Sequence[Cut]) -> list[Any]:
    """Legend entries of the colours that occur in any of the cuts; of the first always."""
    from matplotlib.patches import Patch

    kinds = [of for cut in cuts for name, of in cut.labels.items() if name.startswith("outcome")]
    there = {1} | {int(number) for kind in kinds for number in np.unique(kind)}
    colours = [colour for number, colour in enumerate(NAMES, start=1) if number in there]
    return [Patch(color=colour, label=NAMES[colour]) for colour in colours]


def _line(ax: Any, values: pd.Series, index: int, **more: Any) -> None:
    style = look(index)
    shown = {"color": style.colour, "marker": style.marker, "linestyle": style.line, "linewidth": 1.4}
    ax.plot(values.index, values.to_numpy(dtype=float), **shown | {"markersize": 5} | more)


def _said(
    lines: Mapping[str, pd.Series], kept: pd.Series, share: pd.DataFrame, methods: Sequence[str]
) -> str:
    """The figure in words."""

    def row(values: Any) -> str:
        return ", ".join(f"{value:.3f}" for value in values)

    said = [f"Dice of {name} {row(line)}" for name, line in lines.items()]
    for name in methods:
        said.append(
            f"{name}: share labelled {row(kept.loc[name])}; wrong voxels over those of the first round "
            f"{row(share.loc[name, 'wrong'])}, of which from the first {row(share.loc[name, 'stayed'])}"
        )
    return f"Quality of pseudo-labels by round. {'. '.join(said)}."
