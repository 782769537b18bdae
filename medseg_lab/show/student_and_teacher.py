"""What the teacher knows that the student does not, over the training (survey 3.2, figure 13)."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.data.wording import counted
from medseg_lab.inference.predict import predict_case
from medseg_lab.semi.teacher import TeacherStudent
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, handles, in_rows, painted, panel, small_title
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

L = TypeVar("L", bound=Learner)

Who = Literal["student", "teacher"]
WHO: tuple[Who, Who] = ("student", "teacher")
RIGHT = {"teacher right": "#0072B2", "student right": "#F0E442", "neither right": "#CC79A7"}
"""Where the two differ: who predicts the reference's class. The colours differ in lightness, too."""


def student_and_teacher(
    learners: Mapping[int, Learner],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> Callable[[int], "Figure"]:
    """A function that draws student and teacher after so many steps: outlines, and where the two differ.

    Made for `explore(student_and_teacher(learners, case, task), step=list(learners))`, with
    `medseg_lab.show.explorer.explore`. The slice is the one on which the reference marks most; the Dice is
    that of the whole case, mean over the classes.

    Args:
        learners: with a teacher, by the steps they have learned (`medseg_lab.training.watch.watched`).
        case: with a reference label.
        task: names the classes.
        slice_axis: axis across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no learner, or one without a teacher.
    """
    checked = checked_learners(learners, TeacherStudent, "one with a teacher")
    reference = case.label.cpu().numpy()
    place = fullest(case, slice_axis, next(iter(checked.values())).patch)

    @cache
    def predicted(step: int) -> dict[str, NDArray]:
        return {who: segmented(checked[step], who, case, slice_axis) for who in WHO}

    def draw(step: int) -> "Figure":
        volumes = predicted(step)
        dice: dict[str, float] = {who: case_dice(volumes[who], reference, task) for who in WHO}
        labels = {name: place.of(volume) for name, volume in {"reference": reference, **volumes}.items()}
        masks = who_is_right(**labels)
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        known = {name: np.where(labels["reference"] == IGNORE, 0, label) for name, label in labels.items()}
        scores = ", ".join(f"{who} Dice {value:.2f}" for who, value in dice.items())
        said = ", ".join(f"{name} on {count}" for name, count in counts.items())
        with house():
            fig = _frame(place.cut(case, {**known, **masks}, channel), dice, counts, task)
            after = f"after {counted(step, 'step')}"
            fig.suptitle(after, fontsize=10)
            fig.set_label(f"Case {case.id} {after}: {scores}. Pixels of the slice where they differ: {said}.")
        return fig

    return draw


def checked_learners(learners: Mapping[int, Learner], wanted: type[L], named: str) -> dict[int, L]:
    """The same learners, if all are of a class.

    Raises:
        ValueError: if not, or if there are none.
    """
    if not learners:
        raise ValueError("learners: expected one or more, got none")
    found = {}
    for step, one in learners.items():
        if not isinstance(one, wanted):
            raise ValueError(f"learners: expected {named}, got {type(one).__name__} after {step} steps")
        found[step] = one
    return found


def segmented(learner: TeacherStudent, who: Who, case: Case, slice_axis: int = 2) -> NDArray[np.uint8]:
    """The classes `(*S)` that student or teacher predicts, as a trained learner is judged."""
    asked = copy(learner)  # the same networks
    asked.predicts = who
    return predict_case(asked, case.image, slice_axis=slice_axis).argmax(dim=0).cpu().numpy().astype(np.uint8)


def who_is_right(reference: NDArray, student: NDArray, teacher: NDArray) -> dict[str, NDArray]:
    """Where the two differ, by who is right: three masks of the shape of the labels."""
    differ = (student != teacher) & (reference != IGNORE)
    sides = teacher == reference, student == reference, (teacher != reference) & (student != reference)
    return {name: differ & side for name, side in zip(RIGHT, sides, strict=True)}


def _frame(cut: Cut, dice: Mapping[str, float], counts: Mapping[str, int], task: Task) -> "Figure":
    from matplotlib.patches import Patch

    fig = canvas(7.0, ratio(cut) * 6.8 / 4 + 1.25)
    titles = {"reference": "reference"} | {who: f"{who}, Dice {dice[who]:.2f}" for who in WHO}
    titles["differ"] = f"differ: {sum(counts.values())}"
    for ax, (name, title) in zip(fig.subplots(1, 4), titles.items(), strict=True):
        panel(ax, cut, name, len(task.classes))
        small_title(ax, title)
    for name, colour in RIGHT.items():
        painted(ax, cut.labels[name], colour)
    sides = [Patch(facecolor=c, edgecolor="black", label=f"{n}: {counts[n]}") for n, c in RIGHT.items()]
    fig.legend(**in_rows(handles(task), sides), loc="outside lower center", columnspacing=1.2)
    return fig
