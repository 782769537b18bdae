"""What the teacher knows that the student does not, over the training (survey 3.2, figure 13)."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.wording import counted
from medseg_lab.inference.predict import predict_case
from medseg_lab.semi.teacher import TeacherStudent, Who
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, handles, panel, small_title
from medseg_lab.show.paint import in_rows, painted
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHO: tuple[Who, Who] = ("student", "teacher")
RIGHT = {"teacher right": "#0072B2", "student right": "#F0E442", "neither right": "#CC79A7"}
"""Where the two differ: who has the reference's class. Of different lightness, too."""


def teaching(
    learners: Mapping[int, Learner],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> Callable[[int], "Figure"]:
    """A function that draws student and teacher after so many steps: outlines, and where the two differ.

    Made for `medseg_lab.show.explorer.explore(teaching(learners, case, task), step=list(learners))`. The
    slice shown is the one on which the reference marks most; the Dice is the whole case's, mean over the
    classes.

    Args:
        learners: with a teacher, by the steps they have learned (`medseg_lab.training.watch.watched`).
        case: with a reference label.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no learner, or one without a teacher.
    """
    checked = with_teacher(learners)
    reference = case.label.cpu().numpy()
    place = fullest(case, slice_axis, next(iter(checked.values())).patch)

    @cache
    def predicted(step: int) -> dict[str, NDArray]:
        return {who: segmented(checked[step], who, case, slice_axis) for who in WHO}

    def draw(step: int) -> "Figure":
        volumes = predicted(step)
        dice: dict[str, float] = {who: case_dice(volumes[who], reference, task) for who in WHO}
        shown = {name: place.of(volume) for name, volume in {"reference": reference, **volumes}.items()}
        sides = verdicts(**shown)
        drawn = {name: np.where(shown["reference"] == IGNORE, 0, label) for name, label in shown.items()}
        cut = place.cut(case, {**drawn, **sides}, channel)
        with house():
            fig = _frame(cut, dice, {name: int(side.sum()) for name, side in sides.items()}, task)
            fig.suptitle(f"after {counted(step, 'step')}", fontsize=10)
            fig.set_label(f"Case {case.id} {alt_text(step, dice, sides)}")
        return fig

    return draw


def with_teacher(learners: Mapping[int, Learner]) -> dict[int, TeacherStudent]:
    """The same learners, if all of them have a teacher.

    Raises:
        ValueError: if not, or if there are none.
    """
    if not learners:
        raise ValueError("learners: got none, wanted one or more")
    found = {step: one for step, one in learners.items() if isinstance(one, TeacherStudent)}
    for step, one in learners.items():
        if step not in found:
            raise ValueError(f"learners: got {type(one).__name__}, wanted one with a teacher")
    return found


def segmented(learner: TeacherStudent, who: Who, case: Case, slice_axis: int = 2) -> NDArray[np.uint8]:
    """The classes `(*S)` that student or teacher predicts, as a trained learner is judged."""
    asked = copy(learner)  # the same networks
    asked.predicts = who
    return predict_case(asked, case.image, slice_axis=slice_axis).argmax(dim=0).cpu().numpy().astype(np.uint8)


def verdicts(reference: NDArray, student: NDArray, teacher: NDArray) -> dict[str, NDArray]:
    """Where the two differ, by who is right: three masks of the shape of the labels."""
    differ = (student != teacher) & (reference != IGNORE)
    right = {"teacher right": teacher == reference, "student right": student == reference}
    masks = {name: differ & found for name, found in right.items()}
    return {**masks, "neither right": differ & ~right["teacher right"] & ~right["student right"]}


def alt_text(step: int, dice: Mapping[str, float], sides: Mapping[str, NDArray]) -> str:
    """The frame in words."""
    scores = ", ".join(f"{who} Dice {value:.2f}" for who, value in dice.items())
    counts = ", ".join(f"{name} on {int(side.sum())}" for name, side in sides.items())
    after = counted(step, "step")
    return f"after {after}: {scores}. Pixels of the slice where they differ: {counts}."


def _frame(cut: Cut, dice: Mapping[str, float], counts: Mapping[str, int], task: Task) -> "Figure":
    from matplotlib.patches import Patch

    height = cut.image.shape[0] * cut.aspect / cut.image.shape[1] * 6.8 / 4
    fig = canvas(7.0, height + 1.25)
    panels = fig.subplots(1, 4)
    titles = [
        "reference",
        *(f"{who}, Dice {dice[who]:.2f}" for who in WHO),
        f"differ: {sum(counts.values())}",
    ]
    for ax, name, title in zip(panels, ["reference", *WHO, "differ"], titles, strict=True):
        panel(ax, cut, name, len(task.classes))
        small_title(ax, title)
    for name, colour in RIGHT.items():
        painted(panels[-1], cut.labels[name], colour)
    sides = [Patch(facecolor=c, edgecolor="black", label=f"{n}: {counts[n]}") for n, c in RIGHT.items()]
    fig.legend(**in_rows(handles(task), sides), loc="outside lower center", columnspacing=1.2)
    return fig
