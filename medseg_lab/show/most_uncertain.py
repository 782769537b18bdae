"""The most uncertain voxels and cases: what an expert would check first."""

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import IGNORE
from medseg_lab.data.task import Task
from medseg_lab.data.wording import counted
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, in_rows, painted, panel, small_title
from medseg_lab.show.disagreement import common_case, consensus_of, cut_at, disagreement_window, errors
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.style import canvas, house
from medseg_lab.show.uncertainty_maps import LOOKS, MAPS, look_handles, outlined
from medseg_lab.uncertainty.measures.entropy_split import entropy_split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["total", "expected", "mutual_information"]

FOUND = {"selected, wrong": "#0072B2", "selected, right": "#F0E442", "wrong, not selected": "#CC79A7"}
"""The colours differ in lightness, too."""

POSSIBLE = 0.05
"""Probability of all foreground classes together above which a voxel may be part of an object."""


def most_uncertain_voxels(
    drawn: Mapping[str, Drawn],
    task: Task,
    *,
    method: str,
    share: float,
    kind: Kind = "total",
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """One slice of a case, of whose voxels the most uncertain ones are selected, and what is wrong there.

    Selected are the voxels whose uncertainty is above its (1 - share) quantile over the labelled voxels of
    the case. Where many voxels are equally uncertain, these are fewer than the share; the title says how
    many. A random selection would contain the same share of the errors as of the voxels. Made for
    `explore(partial(most_uncertain_voxels, drawn, task), method=list(drawn), share=(0.01, 0.02, 0.05))`,
    with `medseg_lab.show.explorer.explore`.

    Args:
        drawn: by method, the samples of one and the same case, which has readings.
        task: names the classes.
        method: whose uncertainty selects.
        share: of the labelled voxels of the whole case, above 0 and below 1.
        kind: the uncertainty, a field of `EntropySplit`.
        slice_axis: axis across which a volume is cut; the slice is that of `disagreement_window`, the same
            for all methods.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for an unknown method or kind, a share out of range, several cases, or a case without a
            reading.
    """
    case = common_case(drawn)
    if method not in drawn:
        raise ValueError(f"method: expected one of {', '.join(drawn)}, got {method!r}")
    if kind not in get_args(Kind):
        raise ValueError(f"kind: expected one of {', '.join(get_args(Kind))}, got {kind!r}")
    if not 0 < share < 1:
        raise ValueError(f"share: expected a number above 0 and below 1, got {share}")
    one, consensus = drawn[method], consensus_of(case)
    wrong, known = errors(one), consensus != IGNORE
    uncertainty: NDArray = getattr(entropy_split(one.samples.cpu()), kind).numpy()
    threshold = float(np.quantile(uncertainty[known], 1 - share))
    selected = (uncertainty > threshold) & known
    masks = dict(zip(FOUND, (selected & wrong, selected & ~wrong, wrong & ~selected), strict=True))
    place = disagreement_window(case, [other.prediction for other in drawn.values()], slice_axis)
    maps = {"consensus": consensus, "prediction": one.prediction, "map": uncertainty, **masks}
    told = f"{100 * selected.sum() / known.sum():.3g}% of the voxels contain "
    told += f"{(selected & wrong).sum() / wrong.sum():.0%} of the errors" if wrong.any() else "no errors"
    with house():
        fig = _voxels(cut_at(place, case, maps, channel), task, kind, threshold)
        fig.suptitle(f"{fitted([method], 26, 1)[0]}: the most uncertain {told}", fontsize=10)
        fig.set_label(f"Case {case.id}, {method}, by {MAPS[kind]}: the most uncertain {told}.")
    return fig


def most_uncertain_cases(
    cases: Sequence[Drawn],
    task: Task,
    n: int = 4,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """The cases that a method is most uncertain of (`case_uncertainty`), the most uncertain one first.

    Each with consensus and prediction, and below with its total entropy, on which its errors are outlined.
    The title compares the mean Dice of these cases with that of all others: a useful uncertainty puts the
    worse cases first.

    Args:
        cases: drawn by one method, each with a reading.
        task: names the classes.
        n: how many are shown.
        slice_axis, channel: as in `most_uncertain_voxels`, but for each case by itself.

    Raises:
        ValueError: for no case, n below 1 or above 6, or a case without a reading.
    """
    if not cases:
        raise ValueError("cases: expected one or more, got none")
    if not 1 <= n <= 6:
        raise ValueError(f"n: expected 1 to 6 cases, got {n}")
    for one in cases:
        common_case({"": one})
    dice = [case_dice(one.prediction.cpu().numpy(), consensus_of(one.case), task) for one in cases]
    uncertainties = [case_uncertainty(one) for one in cases]
    order = np.argsort(-np.array(uncertainties), kind="stable").tolist()
    first, others = order[:n], order[n:]
    told = f"mean Dice {np.mean([dice[i] for i in first]):.2f}"
    if others:
        told += f"; of the other {len(others)}: {np.mean([dice[i] for i in others]):.2f}"
    said = {i: f"entropy {uncertainties[i]:.2f}, Dice {dice[i]:.2f}" for i in first}
    with house():
        fig = _columns([_cut(cases[i], slice_axis, channel) for i in first], list(said.values()), task)
        title = f"the most uncertain {len(first)} of {counted(len(cases), 'case')}: {told}"
        fig.suptitle(title, fontsize=10)
        each = ", ".join(f"{cases[i].case.id} ({numbers})" for i, numbers in said.items())
        fig.set_label(f"{title[:1].upper()}{title[1:]}. {each}.")
    return fig


def case_uncertainty(one: Drawn) -> float:
    """The mean total entropy of the voxels that may be part of an object, in nats; 0 where there are none.

    Those are the voxels to which the mean gives the foreground classes more than `POSSIBLE`. A sum, or a mean
    over all voxels, would put large objects first. Borders still are a larger part of a small object, as they
    are for its Dice.
    """
    mean = one.mean.cpu()
    possible = 1 - mean[0] > POSSIBLE
    return float(entropy(mean[None])[0][possible].mean()) if possible.any() else 0.0


def _voxels(cut: Cut, task: Task, kind: Kind, threshold: float) -> "Figure":
    from matplotlib.patches import Patch

    fig = canvas(7.0, ratio(cut) * 6.2 / 3 + 1.05)
    image, map_, selected = fig.subplots(1, 3)
    for ax, title in ((image, "image"), (selected, "most uncertain voxels")):
        panel(ax, cut, "", 0)
        small_title(ax, title)
    outlined(image, cut, ("consensus", "prediction"), len(task.classes))
    top = log(len(task.classes)) if kind != "mutual_information" else None
    colour_bar(map_, heat_map(map_, cut, "map", top, MAPS[kind]), "nats", threshold)
    for name, colour in FOUND.items():
        painted(selected, cut.labels[name], colour)
    patches = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in FOUND.items()]
    lines = look_handles(("consensus", "prediction"))
    fig.legend(**in_rows(lines, patches), loc="outside lower center", columnspacing=1.2)
    return fig


def _columns(cuts: Sequence[Cut], titles: Sequence[str], task: Task) -> "Figure":
    columns, n_classes = max(3, len(cuts)), len(task.classes)
    fig = canvas(7.0, 2 * max(map(ratio, cuts)) * 6.4 / columns + 1.1)
    panels = fig.subplots(2, columns, squeeze=False)
    for ax in panels[:, len(cuts) :].flat:
        ax.set(xticks=[], yticks=[])
        ax.set_axis_off()
    for (above, below), cut, title in zip(panels.T, cuts, titles, strict=False):
        panel(above, cut, "", 0)
        outlined(above, cut, ("consensus", "prediction"), n_classes)
        small_title(above, title.replace(", ", "\n") if columns > 3 else title)
        map_ = heat_map(below, cut, "map", log(n_classes))
        outlined(below, cut, ["prediction is wrong"], n_classes)
    colour_bar(panels[1, len(cuts) - 1], map_, "nats")
    fig.legend(handles=look_handles(LOOKS), loc="outside lower center", ncols=3)
    return fig


def _cut(one: Drawn, slice_axis: int, channel: int | None) -> Cut:
    """A case as `most_uncertain_cases` shows it."""
    place = disagreement_window(one.case, [one.prediction], slice_axis)
    maps: dict[str, NDArray | Tensor] = {
        "consensus": consensus_of(one.case),
        "prediction": one.prediction,
        "prediction is wrong": errors(one),
        "map": entropy(one.mean[None].cpu())[0],
    }
    return cut_at(place, one.case, maps, channel)
