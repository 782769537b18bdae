"""Maps of what methods are unsure of, with their errors outlined (survey 4)."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn, judged_voxels
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import CONTOURS, Cut, panel, small_title
from medseg_lab.show.disputed import agreed, disputed, errors, heading, one_case, read
from medseg_lab.show.marks import Look, outline
from medseg_lab.show.names import fitted
from medseg_lab.show.samples import FINE
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.entropy_split import EntropySplit, entropy_split
from medseg_lab.uncertainty.measures.error_detection import error_auroc
from medseg_lab.uncertainty.measures.readings import shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: dict[str, Look] = {
    "consensus": CONTOURS[0],
    "prediction": CONTOURS[1],
    "prediction is wrong": ("#FFFFFF", "-"),
}
"""Outlines, whatever the class: of what most raters say, of what is predicted, and of where they differ."""

MAPS = {
    "total": "total entropy",
    "expected": "expected entropy",
    "mutual_information": "mutual information",
}
"""By their names in `EntropySplit`."""

LEAST = 0.05
"""Nats that the scale of the mutual information reaches at least: what is next to nothing shall look so."""


RANK = 99.5
"""The percentile of the mutual information at which its scale ends: a few pixels have far more than most."""


def show_doubts(
    drawn: Mapping[str, Drawn],
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """A row for each method: image, total entropy, expected entropy, mutual information.

    Outlined on the image are consensus and prediction, as borders between any two classes, and on the maps
    what is predicted wrongly. Above stands what the total entropy should be: that of the true p*(y | x),
    where it is known, else that of the votes of several raters. Entropies go from 0 to ln K, the mutual
    information to its 99.5th percentile.

    The numbers are those of the whole case: Dice against the consensus, mean over the foreground classes; and
    near what the raters marked, as `SampleJudge` has it, the AUROC of the total entropy for finding errors,
    and how much of the total entropy is mutual information.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        slice_axis: across which a volume is cut; shown is the slice on which the raters differ most.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for no method, several cases, or a case without a reading.
    """
    case = one_case(drawn)
    splits = {name: entropy_split(one.samples.cpu()) for name, one in drawn.items()}
    place = disputed(case, [one.prediction.cpu().numpy() for one in drawn.values()], slice_axis)
    rows = _ideal(case, len(task.classes))
    for name, one in drawn.items():
        maps = {kind: getattr(splits[name], kind).numpy() for kind in MAPS}
        marks = {"prediction": one.prediction.cpu().numpy(), "prediction is wrong": errors(one)}
        said = f"{fitted([name], 26, 1)[0]}: {in_words(one, splits[name], task, slice_axis)}"
        rows[said] = {**marks, **maps}
    shared = {"consensus": agreed(case)}
    cuts = {
        said: place.cut(case, {k: place.of(v) for k, v in {**shared, **maps}.items()}, channel)
        for said, maps in rows.items()
    }
    with house():
        fig = _draw(cuts, log(len(task.classes)), len(task.classes))
        told = ". ".join(said[:1].upper() + said[1:] for said in cuts)
        fig.set_label(
            f"Case {case.id}: outlines of consensus and prediction, and maps of total entropy, expected "
            f"entropy and mutual information, with errors outlined. {told}."
        )
    return fig


def in_words(one: Drawn, split: EntropySplit, task: Task, slice_axis: int = 2) -> str:
    """How good the prediction is, whether its doubts find its errors, and how much of them is epistemic."""
    wrong, near = torch.from_numpy(errors(one)), judged_voxels(one.case, slice_axis)
    dice = case_dice(one.prediction.cpu().numpy(), agreed(one.case), task)
    found = "no errors"
    if wrong[near].any():
        found = f"errors found with AUROC {error_auroc(split.total[near], wrong[near]):.2f}"
    total, epistemic = (float(one[near].sum()) for one in (split.total, split.mutual_information))
    return f"Dice {dice:.2f}, {found}, {epistemic / total if total else 0:.0%} mutual information"


def _ideal(case: Case, n_classes: int) -> dict[str, dict[str, NDArray]]:
    """The row above: the true entropy, or that of the votes; none where neither is known."""
    if case.distribution is not None:
        return {"the truth, p*(y | x)": {"total": entropy(case.distribution[None].cpu())[0].numpy()}}
    if len(case.labels) == 1:
        return {}
    votes = shares(torch.from_numpy(read(case)), n_classes)
    return {f"votes of {len(case.labels)} raters": {"total": entropy(votes[None])[0].numpy()}}


def _draw(rows: Mapping[str, Cut], largest: float, n_classes: int) -> "Figure":
    from matplotlib.ticker import MaxNLocator

    first = next(iter(rows.values()))
    height = first.image.shape[0] * first.aspect / first.image.shape[1] * 6.6 / 4
    found = [cut.labels["mutual_information"] for cut in rows.values() if "expected" in cut.labels]
    most = max(LEAST, *(float(np.percentile(one, RANK)) for one in found))
    tops = {"total": largest, "expected": largest, "mutual_information": most}
    fig = canvas(7.0, len(rows) * (height + 0.3) + 1.1)
    panels = fig.subplots(len(rows) + 1, 4, height_ratios=[height] * len(rows) + [0.09])
    for (said, cut), axes in zip(rows.items(), panels, strict=False):
        heading(axes[0], said)
        panel(axes[0], cut, "", 0)
        outlined(axes[0], cut, ("consensus", "prediction"), n_classes)
        for ax, (kind, top) in zip(axes[1:], tops.items(), strict=True):
            # a method's heading needs the room above its maps; that of the ideal is short
            small_title(ax, MAPS[kind] if cut is first and "expected" not in cut.labels else " ")
            panel(ax, cut, "", 0)
            if kind not in cut.labels:
                ax.images[0].set_visible(False)
                continue
            ax.imshow(cut.labels[kind], cmap="cividis", vmin=0, vmax=top, aspect=cut.aspect)
            outlined(ax, cut, ["prediction is wrong"], n_classes)
    panels[-1, 0].set(xticks=[], yticks=[])
    panels[-1, 0].set_axis_off()
    for ax, cax, name in zip(panels[-2, 1:], panels[-1, 1:], MAPS.values(), strict=True):
        map_ = ax.images[-1]
        extend = "max" if ax is panels[-2, 3] else "neither"
        fig.colorbar(
            map_,
            cax=cax,
            orientation="horizontal",
            label=f"{name}\n(nats)",
            ticks=MaxNLocator(3),
            extend=extend,
        )
    fig.legend(handles=look_handles(LOOKS), loc="outside lower center", ncols=3)
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05, wspace=0.01, hspace=0.01)
    return fig


def outlined(ax: Any, cut: Cut, names: Sequence[str], n_classes: int) -> None:
    """The borders of those of `LOOKS` that a cut has, finer where many are to be expected."""
    fine = n_classes > 2 or max(cut.image.shape[:2]) > FINE
    for name in names:
        for k in range(1, n_classes) if name in cut.labels else ():
            outline(ax, cut.labels[name] == k, LOOKS[name], 0.6 if fine else 1.1, shadow=not fine)


def look_handles(names: Iterable[str]) -> list[Any]:
    """Legend entries of some of `LOOKS`."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    effects = [Stroke(linewidth=3.2, foreground="black"), Normal()]
    return [
        Line2D([], [], color=LOOKS[name][0], ls=LOOKS[name][1], lw=2.2, label=name, path_effects=effects)
        for name in names
    ]
