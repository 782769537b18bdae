"""Where UA-MT's teacher is certain enough to be followed, over the training (survey 3.2 [20])."""

from collections.abc import Callable, Mapping
from functools import cache
from math import log
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.data.wording import counted
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.show.contours import Cut, handles, painted, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import Spot, fullest, marked
from medseg_lab.show.student_and_teacher import checked_learners
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MASKED = "#D55E00"
"""Colour of the pixels that the consistency loss leaves out."""


def teacher_confidence(
    learners: Mapping[int, Learner],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
    seed: int = 0,
) -> Callable[[int], "Figure"]:
    """A function that draws the teacher's entropy after so many steps, and the pixels that UA-MT leaves out.

    Made for `explore(teacher_confidence(learners, case, task), step=list(learners))`, with
    `medseg_lab.show.explorer.explore`. The slice is the one on which the reference marks most. The mask is
    that of the next step: as many noisy passes as in training, and the threshold at this step.

    Args:
        learners: `UAMT`, of slices on a cohort of volumes, by the steps they have learned
            (`medseg_lab.training.watch.watched`).
        case: with a reference label, which only decides the slice.
        task: names the classes.
        slice_axis: axis across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.
        seed: random seed of the noise and the dropout.

    Raises:
        ValueError: for no learner, one of another class, or one that learns volumes.
    """
    checked = checked_learners(learners, UAMT, "UAMT")
    for one in checked.values():
        if one.task.spatial_dims != 2:
            raise ValueError(f"learners: expected 2 spatial dimensions, got {one.task.spatial_dims}")
    place = fullest(case, slice_axis, next(iter(checked.values())).patch)
    reference, inside = place.of(case.label.cpu().numpy()), place.of(marked(case))
    largest = log(len(task.classes))

    @cache
    def entropy(step: int) -> NDArray:
        return teacher_entropy(checked[step], case, place, seed)

    def draw(step: int) -> "Figure":
        threshold, found = checked[step].limit(step), entropy(step)
        kept = found < threshold
        maps = {"reference": reference, "entropy": found / largest, "masked": ~kept}
        shares = f"used: {kept.mean():.1%}", f"of the foreground: {kept[inside].mean():.1%}"
        share = f"{threshold / largest:.0%} of ln {len(task.classes)}"
        said = f"after {counted(step, 'step')}: threshold {threshold:.2f} nats, {share}"
        with house():
            fig = _frame(place.cut(case, maps, channel), threshold / largest, "\n".join(shares), task)
            fig.suptitle(said, fontsize=10)
            fig.set_label(f"Case {case.id} {said}. Pixels {', '.join(shares)}.")
        return fig

    return draw


def teacher_entropy(learner: UAMT, case: Case, place: Spot, seed: int = 0) -> NDArray:
    """`UAMT.uncertainty` at one place of a case, in nats, `(H, W)`; the learner's modes stay as they are.

    The teacher is in training mode, as in training: its dropout is part of its noise.
    """
    image = place.image(case).to(next(learner.parameters()).device, torch.float32)
    modes = {module: module.training for module in learner.teacher.modules()}
    devices = [image.device] if image.device.type == "cuda" else []
    try:
        learner.teacher.train()
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            return learner.uncertainty(image)[0].cpu().numpy()
    finally:
        for module, mode in modes.items():
            module.training = mode


def _frame(cut: Cut, threshold: float, shares: str, task: Task) -> "Figure":
    from matplotlib.patches import Patch

    fig = canvas(7.0, ratio(cut) * 6.2 / 3 + 1.3)
    reference, entropy, masked = fig.subplots(1, 3)
    panel(reference, cut, "reference", len(task.classes))
    small_title(reference, "reference\n")
    map_ = heat_map(entropy, cut, "entropy", 1, "the teacher's entropy\n")
    colour_bar(entropy, map_, f"of ln {len(task.classes)}", threshold)
    panel(masked, cut, "", 0)
    painted(masked, cut.labels["masked"], MASKED)
    small_title(masked, shares)
    patch = Patch(facecolor=MASKED, label="not used")
    fig.legend(handles=[*handles(task), patch], loc="outside lower center", ncols=6, columnspacing=1.2)
    return fig
