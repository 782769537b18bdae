"""Where UA-MT heeds its teacher, over the training (survey 3.2 [20])."""

from collections.abc import Callable, Mapping
from functools import cache
from math import log
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.wording import counted
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.show.contours import Cut, handles, panel, small_title
from medseg_lab.show.paint import painted
from medseg_lab.show.spot import Spot, fullest, marked
from medseg_lab.show.style import canvas, house
from medseg_lab.training.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNHEEDED = "#D55E00"


def heeding(
    learners: Mapping[int, Learner],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
    seed: int = 0,
) -> Callable[[int], "Figure"]:
    """A function that draws how unsure the teacher is after so many steps, and which pixels are heeded.

    Made for `medseg_lab.show.explorer.explore(heeding(learners, case, task), step=list(learners))`. The
    slice shown is the one on which the reference marks most. The mask is that of the next step: of as many
    noisy passes as in training, against the threshold at this step.

    Args:
        learners: `UAMT`, of slices on a cohort of volumes, by the steps they have learned
            (`medseg_lab.training.watch.watched`).
        case: with a reference label, which only says where to look.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.
        seed: of the noise and the dropout.

    Raises:
        ValueError: for no learner, one of another class, or one that learns volumes.
    """
    checked = _checked(learners)
    place = fullest(case, slice_axis, next(iter(checked.values())).patch)
    reference = place.of(case.label.cpu().numpy())
    inside = place.of(marked(case))
    largest = log(len(task.classes))

    @cache
    def entropy(step: int) -> NDArray:
        return unsure(checked[step], case, place, seed)

    def draw(step: int) -> "Figure":
        threshold = checked[step].threshold(step)
        found = entropy(step)
        kept = found < threshold
        cut = place.cut(case, {"reference": reference, "entropy": found / largest, "kept": kept}, channel)
        shares = {"slice": float(kept.mean()), "foreground": float(kept[inside].mean())}
        with house():
            fig = _frame(cut, threshold / largest, shares, task)
            share = f"{threshold / largest:.0%} of ln {len(task.classes)}"
            said = f"after {counted(step, 'step')}: threshold {threshold:.2f} nats, {share}"
            fig.suptitle(said, fontsize=10)
            fig.set_label(f"Case {case.id} {said}. Pixels {', '.join(_heeded(shares))}.")
        return fig

    return draw


def unsure(learner: UAMT, case: Case, place: Spot, seed: int = 0) -> NDArray:
    """`UAMT.uncertainty` at one place of a case, in nats, `(H, W)`; the learner stays in the mode it was in.

    The teacher is in training mode, as it is when it is asked in training: its dropout is part of its noise.
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


def _checked(learners: Mapping[int, Learner]) -> dict[int, UAMT]:
    if not learners:
        raise ValueError("learners: got none, wanted one or more")
    found = {}
    for step, one in learners.items():
        if not isinstance(one, UAMT):
            raise ValueError(f"learners: got {type(one).__name__}, wanted UAMT")
        if one.task.spatial_dims != 2:
            raise ValueError(f"learners: got one of {one.task.spatial_dims} dimensions, wanted 2")
        found[step] = one
    return found


def _frame(cut: Cut, threshold: float, shares: Mapping[str, float], task: Task) -> "Figure":
    height = cut.image.shape[0] * cut.aspect / cut.image.shape[1] * 6.2 / 3
    fig = canvas(7.0, height + 1.3)
    panels = fig.subplots(1, 3)
    panel(panels[0], cut, "reference", len(task.classes))
    small_title(panels[0], "reference\n")
    panel(panels[1], cut, "", 0)
    map_ = panels[1].imshow(cut.labels["entropy"], cmap="cividis", vmin=0, vmax=1, aspect=cut.aspect)
    small_title(panels[1], "the teacher's entropy\n")
    bar = fig.colorbar(map_, cax=panels[1].inset_axes((1.04, 0, 0.06, 1)), label=f"of ln {len(task.classes)}")
    bar.ax.axhline(threshold, color="white", linewidth=3)
    bar.ax.axhline(threshold, color="black", linewidth=1.2)
    panel(panels[2], cut, "", 0)
    painted(panels[2], ~cut.labels["kept"], UNHEEDED)
    small_title(panels[2], "\n".join(_heeded(shares)))
    _legend(fig, task)
    return fig


def _legend(fig: "Figure", task: Task) -> None:
    from matplotlib.patches import Patch

    unheeded = Patch(facecolor=UNHEEDED, label="not heeded")
    fig.legend(handles=[*handles(task), unheeded], loc="outside lower center", ncols=6, columnspacing=1.2)


def _heeded(shares: Mapping[str, float]) -> tuple[str, str]:
    return f"heeded: {shares['slice']:.1%}", f"of the foreground: {shares['foreground']:.1%}"
