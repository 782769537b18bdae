"""What a reader of scans would be shown first: the most uncertain voxels, and the most uncertain cases."""

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.evaluation.wording import counted
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, panel, small_title
from medseg_lab.show.disputed import agreed, disputed, errors, one_case
from medseg_lab.show.doubts import MAPS, look_handles, outlined
from medseg_lab.show.names import fitted
from medseg_lab.show.paint import in_rows, painted
from medseg_lab.show.style import canvas, house
from medseg_lab.uncertainty.measures.entropy_split import entropy_split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["total", "expected", "mutual_information"]

FOUND = {"shown, wrong": "#0072B2", "shown, right": "#F0E442", "wrong, not shown": "#CC79A7"}
"""What comes of handing the most uncertain voxels to a reader. Of different lightness, too."""

POSSIBLE = 0.05
"""Probability of all foreground classes together above which a voxel may be part of an object."""


def doubt_frame(
    drawn: Mapping[str, Drawn],
    task: Task,
    *,
    method: str,
    share: float,
    kind: Kind = "total",
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """One slice, with the voxels that a reader is shown first where a share of the case's voxels is shown.

    Shown are the voxels whose uncertainty is above its (1 - share) quantile over the voxels that a rater
    labelled. Fewer are where many are as uncertain as that, and the title says how many they are; what is
    shown at random would hold as large a share of the errors. Made for
    `explore(partial(doubt_frame, drawn, task), method=list(drawn), share=(0.005, 0.01, 0.02, 0.05, 0.1))`,
    with `medseg_lab.show.explorer.explore`.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        method: whose doubts.
        share: of the voxels of the whole case, above 0 and below 1.
        kind: the uncertainty, a field of `EntropySplit`.
        slice_axis: across which a volume is cut; shown is the slice on which the raters differ most, the same
            for all methods.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for an unknown method or kind, a share that is none, several cases, or a case without a
            reading.
    """
    case = one_case(drawn)
    if method not in drawn:
        raise ValueError(f"method: got {method!r}, wanted one of {', '.join(drawn)}")
    if kind not in get_args(Kind):
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join(get_args(Kind))}")
    if not 0 < share < 1:
        raise ValueError(f"share: got {share}, wanted above 0 and below 1")
    one, known = drawn[method], agreed(case) != IGNORE
    uncertainty: NDArray = getattr(entropy_split(one.samples.cpu()), kind).numpy()
    wrong, threshold = errors(one), float(np.quantile(uncertainty[known], 1 - share))
    shown = (uncertainty > threshold) & known
    place = disputed(case, [other.prediction.cpu().numpy() for other in drawn.values()], slice_axis)
    maps = {"consensus": agreed(case), "prediction": one.prediction.cpu().numpy()}
    masks = dict(zip(FOUND, (shown & wrong, shown & ~wrong, wrong & ~shown), strict=True))
    parts = {name: place.of(part) for name, part in {**maps, **masks, "map": uncertainty}.items()}
    cut = place.cut(case, parts, channel)
    told = _told(int(shown.sum()), int(known.sum()), int((shown & wrong).sum()), int(wrong.sum()))
    with house():
        fig = _frame(cut, task, kind, threshold)
        fig.suptitle(f"{fitted([method], 26, 1)[0]}: {told}", fontsize=10)
        fig.set_label(f"Case {case.id}, {method}, shown by its {MAPS[kind]}: {told}.")
    return fig


def first_to_review(
    cases: Sequence[Drawn],
    task: Task,
    n: int = 4,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """The cases of which a method is most unsure (`doubt`), the most unsure one first.

    Each with consensus and prediction, and below with its total entropy, on which its errors are outlined.
    The title compares the mean Dice of these cases with that of all others: where doubts are worth
    something, a reader is shown the worse ones first.

    Args:
        cases: drawn by one method, each with a reading.
        task: names the classes.
        n: how many are shown.
        slice_axis, channel: as in `doubt_frame`, but for each case by itself.

    Raises:
        ValueError: for no case, n below 1 or above 6, or a case without a reading.
    """
    if not cases or not 1 <= n <= 6:
        raise ValueError(f"cases, n: got {len(cases)} cases, n {n}; wanted 1 or more, and n of 1 to 6")
    for one in cases:
        one_case({"": one})
    dice = [case_dice(one.prediction.cpu().numpy(), agreed(one.case), task) for one in cases]
    doubts = [doubt(one) for one in cases]
    order = [int(i) for i in np.argsort(-np.array(doubts), kind="stable")]
    first, others = order[:n], order[n:]
    told = f"mean Dice {np.mean([dice[i] for i in first]):.2f}"
    if others:
        told += f"; of the other {len(others)}: {np.mean([dice[i] for i in others]):.2f}"
    with house():
        cuts = [_doubted(cases[i], slice_axis, channel) for i in first]
        fig = _columns(cuts, [f"doubt {doubts[i]:.2f}, Dice {dice[i]:.2f}" for i in first], task)
        fig.suptitle(f"first {len(first)} of {counted(len(cases), 'case')}: {told}", fontsize=10)
        each = ", ".join(f"{cases[i].case.id} (doubt {doubts[i]:.2f}, Dice {dice[i]:.2f})" for i in first)
        fig.set_label(f"The {counted(len(first), 'case')} of {len(cases)} in most doubt, {told}. {each}.")
    return fig


def doubt(one: Drawn) -> float:
    """How doubtful a case is: the mean total entropy of the voxels that may be part of an object, in nats.

    Those voxels to which the mean gives the foreground classes more than `POSSIBLE`; 0 where there are none.
    A mean over all voxels would put large objects first, and so would the sum. What remains is that borders
    are a larger part of a small object, as they are for its Dice.
    """
    mean = one.mean.cpu()
    possible = 1 - mean[0] > POSSIBLE
    return float(entropy(mean[None])[0][possible].mean()) if possible.any() else 0.0


def _told(shown: int, known: int, caught: int, wrong: int) -> str:
    """In words, from numbers of voxels."""
    if not wrong:
        return f"{100 * shown / known:.3g}% of the voxels are shown, and there are no errors"
    return (
        f"{100 * shown / known:.3g}% of the voxels are shown, which hold {caught / wrong:.0%} of the errors"
    )


def _frame(cut: Cut, task: Task, kind: Kind, threshold: float) -> "Figure":
    from matplotlib.patches import Patch

    fig = canvas(7.0, _ratio(cut) * 6.2 / 3 + 1.05)
    panels = fig.subplots(1, 3)
    for ax, title in zip(panels, ["image", MAPS[kind], "shown first"], strict=True):
        panel(ax, cut, "", 0)
        small_title(ax, title)
    outlined(panels[0], cut, ("consensus", "prediction"), len(task.classes))
    map_ = _map(panels[1], cut, log(len(task.classes)) if kind != "mutual_information" else None)
    bar = fig.colorbar(map_, cax=panels[1].inset_axes((1.04, 0, 0.06, 1)), label="nats")
    bar.ax.axhline(threshold, color="white", linewidth=3)
    bar.ax.axhline(threshold, color="black", linewidth=1.2)
    for name, colour in FOUND.items():
        painted(panels[2], cut.labels[name], colour)
    patches = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in FOUND.items()]
    lines = look_handles(("consensus", "prediction"))
    fig.legend(**in_rows(lines, patches), loc="outside lower center", columnspacing=1.2)
    return fig


def _columns(cuts: Sequence[Cut], titles: Sequence[str], task: Task) -> "Figure":
    columns = max(3, len(cuts))
    height = max(_ratio(cut) for cut in cuts) * 6.4 / columns
    fig = canvas(7.0, 2 * height + 1.1)
    panels = fig.subplots(2, columns, squeeze=False)
    for ax in panels[:, len(cuts) :].flat:
        ax.set(xticks=[], yticks=[])
        ax.set_axis_off()
    for (above, below), cut, title in zip(panels.T, cuts, titles, strict=False):
        panel(above, cut, "", 0)
        outlined(above, cut, ("consensus", "prediction"), len(task.classes))
        small_title(above, title.replace(", ", "\n") if columns > 4 else title)
        panel(below, cut, "", 0)
        map_ = _map(below, cut, log(len(task.classes)))
        outlined(below, cut, ["prediction is wrong"], len(task.classes))
    fig.colorbar(map_, cax=panels[1, len(cuts) - 1].inset_axes((1.04, 0, 0.06, 1)), label="nats")
    looks = ("consensus", "prediction", "prediction is wrong")
    fig.legend(handles=look_handles(looks), loc="outside lower center", ncols=3)
    return fig


def _doubted(one: Drawn, slice_axis: int, channel: int | None) -> Cut:
    """A case as `first_to_review` shows it."""
    predicted = one.prediction.cpu().numpy()
    place = disputed(one.case, [predicted], slice_axis)
    maps = {
        "consensus": agreed(one.case),
        "prediction": predicted,
        "prediction is wrong": errors(one),
        "map": entropy(one.mean[None].cpu())[0].numpy(),
    }
    return place.cut(one.case, {name: place.of(part) for name, part in maps.items()}, channel)


def _map(ax: Any, cut: Cut, largest: float | None) -> Any:
    return ax.imshow(cut.labels["map"], cmap="cividis", vmin=0, vmax=largest, aspect=cut.aspect)


def _ratio(cut: Cut) -> float:
    """Height over width on the page."""
    return float(cut.image.shape[0] * cut.aspect / cut.image.shape[1])
