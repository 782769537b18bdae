"""Where methods break: their Dice as images become worse, and one slice under the dials (survey 0)."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.degraded import DIALS, degraded
from medseg_lab.evaluation.judge import evaluate, predictor, segmented, with_references
from medseg_lab.show.attack_curves import draw_by_strength, means_by_strength
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter

MOST = 6
"""Methods that fit on a page."""
TITLES = {
    "contrast": "less contrast",
    "noise": "more noise",
    "blur": "more blur",
    "shading": "uneven light",
}
"""What the dials do."""


def breaking_points(
    learners: Mapping[str, "Segmenter"],
    cohort: "Cohort",
    cases: Sequence[Case],
    dials: Mapping[str, Sequence[float]],
) -> pd.DataFrame:
    """The Dice of trained learners on cases that were made worse, one dial at a time.

    Args:
        learners: by name. One that is shown where to look is given the reference of each case.
        cohort: whose preprocessing says how images are cut.
        cases: with their references.
        dials: the strengths of each (`medseg_lab.data.degraded.degraded`): `{"noise": (0.5, 1.0)}`. All
            begin with the cases as they are, at strength 0.

    Returns:
        A row for each method, dial, strength, case and class, with columns method, dial, strength, case,
        patient, class and dice.

    Raises:
        ValueError: for an unknown dial.
    """
    if unknown := [name for name in dials if name not in DIALS]:
        raise ValueError(f"dials: expected some of {', '.join(DIALS)}, got {unknown[0]!r}")
    axis, tables = cohort.card.preprocessing.slice_axis, []

    def scored(learner: "Segmenter", worse: Sequence[Case], **said: str | float) -> pd.DataFrame:
        known = with_references(learner, worse)
        return evaluate(predictor(learner, cohort), known, cohort.task, metrics=["dice"]).assign(**said)

    for name, learner in learners.items():
        plain = scored(learner, cases, method=name, strength=0.0)
        tables += [plain.assign(dial=dial) for dial in dials]
    for dial, strengths in dials.items():
        for strength in strengths:
            worse = [degraded(case, slice_axis=axis, **{dial: strength}) for case in cases]
            for name, learner in learners.items():
                tables.append(scored(learner, worse, method=name, dial=dial, strength=strength))
    columns = ["method", "dial", "strength", "case", "patient", "class", "dice"]
    return pd.concat(tables, ignore_index=True)[columns]


def breaking_curves(table: pd.DataFrame) -> "Figure":
    """A panel for each dial, a line for each method, with 95% intervals of the mean over cases.

    Args:
        table: of `breaking_points`.
    """
    renamed = table.rename(columns={"dial": "attack", "strength": "epsilon"})
    found = {str(name): means_by_strength(rows) for name, rows in renamed.groupby("method", sort=False)}
    dials = list(dict.fromkeys(table["dial"]))
    across = 2 if len(dials) in (2, 4) else min(3, len(dials))
    down = -(-len(dials) // across)
    with house():
        fig = canvas(7.0, 2.5 * down + 0.7)
        panels: Any = fig.subplots(down, across, sharey=True, squeeze=False)
        ends = draw_by_strength(panels.flat[: len(dials)], found, dials)
        for ax, dial in zip(panels.flat, dials, strict=False):
            small_title(ax, TITLES[dial])
            ax.set_xlabel(f"{dial} ({DIALS[dial]})")
        for ax in panels.flat[len(dials) :]:
            ax.set_visible(False)
        for row in panels:
            row[0].set_ylabel("Dice")
        entries = panels.flat[0].get_legend_handles_labels()
        fig.legend(*entries, loc="outside lower center", ncols=min(3, len(found)))
        said = [f"{dial}, {name}: from {a:.2f} to {b:.2f}" for (dial, name), (a, b) in ends.items()]
        fig.set_label(f"Dice as images become worse: {'; '.join(said)}.")
    return fig


def under_dials(learners: Mapping[str, "Segmenter"], cohort: "Cohort", case: Case) -> "Callable[..., Figure]":
    """What draws the frames of an explorer: one slice, made worse, and what each learner finds in it.

    The function takes the strengths of dials as keywords (`medseg_lab.data.degraded.degraded`).

    Args:
        learners: by name, six at most.
        cohort: as of `breaking_points`.
        case: with its reference. A volume is segmented as a whole in each frame, so a few slices of it are
            quicker (`medseg_lab.show.spot.slab`); the slice that is shown is the one on which the reference
            marks most.

    Raises:
        ValueError: for more learners than fit a page.
    """
    if not 1 <= len(learners) <= MOST:
        raise ValueError(f"learners: expected 1 to {MOST}, got {len(learners)}")
    axis, task = cohort.card.preprocessing.slice_axis, cohort.task
    place, reference = fullest(case, axis), case.label.cpu().numpy()

    def draw(**strengths: float) -> "Figure":
        worse = degraded(case, slice_axis=axis, **strengths)
        found: dict[str, NDArray] = {"reference": reference}
        for name, learner in learners.items():
            known = with_references(learner, [worse])
            found[name] = next(segmented(predictor(learner, cohort), known))[1]
        dice = {name: case_dice(found[name], reference, task) for name in learners}
        cut = place.cut(worse, {name: place.of(of) for name, of in found.items()})
        across = -(-(1 + len(found)) // 2) if len(found) > 3 else 1 + len(found)
        down = -(-(1 + len(found)) // across)
        with house():
            fig = canvas(7.0, down * (6.6 / across * cut.ratio + 0.4) + 0.4)
            axes: Any = fig.subplots(down, across, squeeze=False)
            for ax, name in zip(axes.flat, ("image", *found), strict=False):
                panel(ax, cut, name, len(task.classes))
                score = f"\nDice {dice[name]:.2f}" if name in dice else "\n"
                small_title(ax, f"{fill(name, 22)}{score}")
            for ax in axes.flat[1 + len(found) :]:
                ax.set_visible(False)
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            set_to = ", ".join(f"{dial} {value:g} ({DIALS[dial]})" for dial, value in strengths.items())
            said = ", ".join(f"{name} {value:.2f}" for name, value in dice.items())
            fig.set_label(f"A slice with {set_to}, its reference, and what methods find. Dice: {said}.")
        return fig

    return draw
