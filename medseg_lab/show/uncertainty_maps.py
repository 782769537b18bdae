"""Maps of each method's uncertainty, with its errors outlined (survey 4)."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn, judged_voxels
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import CONTOURS, Cut, Line, outline, panel, small_title
from medseg_lab.show.disagreement import (
    common_case,
    consensus_of,
    cut_at,
    disagreement_window,
    errors,
    filled_readings,
    row_heading,
)
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.samples import is_crowded
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.entropy_split import EntropySplit, entropy_split
from medseg_lab.uncertainty.measures.error_detection import error_auroc
from medseg_lab.uncertainty.measures.readings import shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: dict[str, Line] = {
    "consensus": CONTOURS[0],
    "prediction": CONTOURS[1],
    "prediction is wrong": ("#FFFFFF", "-"),
}
"""Outlines, the same for all classes."""

MAPS = {
    "total": "total entropy",
    "expected": "expected entropy",
    "mutual_information": "mutual information",
}
"""The fields of `EntropySplit`, in words."""

LEAST, RANK = 0.05, 99.5
"""The scale of the mutual information ends at this percentile, as a few pixels have far more than most; but
not below so many nats, so that a negligible amount looks like one."""


def show_uncertainty_maps(
    drawn: Mapping[str, Drawn], task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """A row for each method: image, total entropy, expected entropy, mutual information.

    Consensus and prediction are outlined on the image, errors on the maps. The first row is what the total
    entropy should be: that of the true p*(y | x) where it is known, else that of the raters' votes.
    Entropies go from 0 to ln K.

    The numbers are those of the whole case: Dice against the consensus, mean over the foreground classes;
    and, in the voxels that `SampleJudge` judges, the AUROC of the total entropy for finding errors, and the
    share of mutual information in the total entropy.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        slice_axis: axis across which a volume is cut; the slice shown is that of `disagreement_window`.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no method, several cases, or a case without a reading.
    """
    case, n_classes = common_case(drawn), len(task.classes)
    place = disagreement_window(case, [one.prediction for one in drawn.values()], slice_axis)
    rows = _ideal(case, n_classes)
    for name, one in drawn.items():
        split = entropy_split(one.samples.cpu())
        marks = {"prediction": one.prediction, "prediction is wrong": torch.from_numpy(errors(one))}
        maps = {kind: getattr(split, kind) for kind in MAPS}
        rows.append((f"{fitted([name], 26, 1)[0]}: {in_words(one, split, task, slice_axis)}", marks | maps))
    headings, shared = [said for said, _ in rows], {"consensus": torch.from_numpy(consensus_of(case))}
    with house():
        cuts = [cut_at(place, case, shared | maps, channel) for _, maps in rows]
        fig = _draw(headings, cuts, log(n_classes), n_classes)
        told = ". ".join(said[:1].upper() + said[1:] for said in headings)
        fig.set_label(
            f"Case {case.id}: outlines of consensus and prediction, and maps of total entropy, expected "
            f"entropy and mutual information, with errors outlined. {told}."
        )
    return fig


def in_words(one: Drawn, split: EntropySplit, task: Task, slice_axis: int = 2) -> str:
    """How good the prediction is, whether its uncertainty finds its errors, and how much is epistemic."""
    wrong, near = torch.from_numpy(errors(one)), judged_voxels(one.case, slice_axis)
    dice = case_dice(one.prediction.cpu().numpy(), consensus_of(one.case), task)
    found = "no errors"
    if wrong[near].any():
        found = f"errors found with AUROC {error_auroc(split.total[near], wrong[near]):.2f}"
    total, epistemic = (float(part[near].sum()) for part in (split.total, split.mutual_information))
    return f"Dice {dice:.2f}, {found}, {epistemic / total if total else 0:.0%} mutual information"


def outlined(ax: Any, cut: Cut, names: Sequence[str], n_classes: int) -> None:
    """Draw the borders of those of `LOOKS` that a cut has, thinner where there are many."""
    crowded = is_crowded(cut, n_classes)
    for name in names:
        for k in range(1, n_classes) if name in cut.labels else ():
            outline(ax, cut.labels[name] == k, LOOKS[name], 0.6 if crowded else 1.1, shadow=not crowded)


def look_handles(names: Iterable[str]) -> list[Any]:
    """Legend entries of some of `LOOKS`."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    line: dict[str, Any] = {"lw": 2.2, "path_effects": [Stroke(linewidth=3.2, foreground="black"), Normal()]}
    return [Line2D([], [], color=LOOKS[name][0], ls=LOOKS[name][1], label=name, **line) for name in names]


def _ideal(case: Case, n_classes: int) -> list[tuple[str, dict[str, Tensor]]]:
    """The first row, with its heading; none where neither the truth nor several readings are known."""
    if case.distribution is not None:
        return [("the truth, p*(y | x)", {"total": entropy(case.distribution[None].cpu())[0]})]
    if len(case.labels) == 1:
        return []
    votes = shares(torch.from_numpy(filled_readings(case)), n_classes)
    return [(f"votes of {len(case.labels)} raters", {"total": entropy(votes[None])[0]})]


def _draw(headings: Sequence[str], cuts: Sequence[Cut], largest: float, n_classes: int) -> "Figure":
    from matplotlib.ticker import MaxNLocator

    height = ratio(cuts[0]) * 6.6 / 4
    found = [cut.labels["mutual_information"] for cut in cuts if "expected" in cut.labels]
    most = max(LEAST, *(float(np.percentile(one, RANK)) for one in found))
    tops = {"total": largest, "expected": largest, "mutual_information": most}
    fig = canvas(7.0, len(cuts) * (height + 0.3) + 1.1)
    panels = fig.subplots(len(cuts) + 1, 4, height_ratios=[height] * len(cuts) + [0.09])
    for said, cut, axes in zip(headings, cuts, panels, strict=False):
        row_heading(axes[0], said)
        panel(axes[0], cut, "", 0)
        outlined(axes[0], cut, ("consensus", "prediction"), n_classes)
        for ax, bar, (kind, top) in zip(axes[1:], panels[-1, 1:], tops.items(), strict=True):
            # only the heading of the ideal is short enough to leave room for titles of the maps
            title = MAPS[kind] if cut is cuts[0] and "expected" not in cut.labels else " "
            if kind not in cut.labels:
                panel(ax, cut, "", 0)
                small_title(ax, title)
                ax.images[0].set_visible(False)
                continue
            map_ = heat_map(ax, cut, kind, top, title)
            outlined(ax, cut, ["prediction is wrong"], n_classes)
            if cut is cuts[-1]:
                extend = "max" if kind == "mutual_information" else "neither"
                look: dict[str, Any] = {
                    "orientation": "horizontal",
                    "ticks": MaxNLocator(3),
                    "extend": extend,
                }
                fig.colorbar(map_, cax=bar, label=f"{MAPS[kind]}\n(nats)", **look)
    panels[-1, 0].set(xticks=[], yticks=[])
    panels[-1, 0].set_axis_off()
    fig.legend(handles=look_handles(LOOKS), loc="outside lower center", ncols=3)
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05, wspace=0.01, hspace=0.01)
    return fig
