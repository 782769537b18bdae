"""An ensemble at work, the survey's figure 10; and what each further member gains."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.inference.model_ensemble import member_variance
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import CONTOURS, Line, line_handles, outline, panel, small_title
from medseg_lab.show.disagreement import consensus_of, cut_at, disagreement_window, errors
from medseg_lab.show.heat_map import heat_map, ratio
from medseg_lab.show.names import fitted
from medseg_lab.show.samples import is_crowded
from medseg_lab.show.style import canvas, house, look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LOOKS: dict[str, Line] = {
    "reference": CONTOURS[0],
    "prediction": CONTOURS[1],
    "the mean is wrong": ("#D55E00", "-"),
}
LEAST = 0.02
"""The scale of the variance ends no lower, so that a negligible one looks like one."""


def show_members(
    one: Drawn, names: Sequence[str], task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """One image, the prediction of each member, their mean, and their variance: figure 10 of the survey.

    Maps are the probability of foreground (one less that of the background), with the prediction outlined;
    on the variance over the members (`member_variance`), the errors of the mean are. Numbers are the Dice of
    the whole case, mean over the foreground classes, and the mean variance over the voxels that any member
    takes for foreground.

    Args:
        one: a case with a reference, and the predictions of its members (`evaluation.members.members_of`).
        names: of the members.
        task: names the classes.
        slice_axis: axis across which a volume is cut; the slice is that on which the members differ most from
            the reference.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for other than one name a member.
    """
    if len(names) != len(one.samples):
        raise ValueError(f"names: expected {len(one.samples)}, one a member, got {len(names)}")
    case, samples = one.case, one.samples.cpu()
    reference, labels = consensus_of(case), samples.argmax(dim=1)
    dice = [case_dice(found.numpy(), reference, task) for found in (*labels, one.prediction)]
    varied, marked = member_variance(samples), (labels > 0).any(dim=0)
    mean = float(varied[marked].mean()) if marked.any() else 0.0
    maps: dict[str, Any] = {"reference": torch.from_numpy(reference), "variance": varied}
    maps |= {"wrong": torch.from_numpy(errors(one)), "mean": 1 - one.mean[0], "prediction": one.prediction}
    for m, (sample, label) in enumerate(zip(samples, labels, strict=True)):
        maps |= {f"map {m}": 1 - sample[0], f"label {m}": label}
    place = disagreement_window(case, list(labels), slice_axis)
    with house():
        cut = cut_at(place, case, maps, channel)
        fig = _draw(cut, fitted(names, 22), dice, len(task.classes))
        each = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, dice, strict=False))
        fig.set_label(
            f"Case {case.id}: the image, each member's probability of foreground, their mean and their "
            f"variance. Dice of the members: {each}; of their mean: {dice[-1]:.3f}. Their variance is "
            f"{mean:.3f} on average where any of them marks something."
        )
    return fig


def _draw(cut: Any, names: Sequence[str], dice: Sequence[float], n_classes: int) -> "Figure":
    from matplotlib.patches import ConnectionPatch
    from matplotlib.ticker import MaxNLocator

    count, height = len(names), ratio(cut) * 1.55
    fig = canvas(7.0, count * (height + 0.4) + 0.5)
    grid = fig.add_gridspec(count, 4)
    source, mean, variance = (fig.add_subplot(grid[:, column]) for column in (0, 2, 3))
    panel(source, cut, "", 0)
    _outlines(source, cut, "reference", "reference", n_classes)
    small_title(source, "image")
    for m, name in enumerate(names):
        ax = fig.add_subplot(grid[m, 1])
        heat_map(ax, cut, f"map {m}", 1, f"{name}\nDice {dice[m]:.3f}")
        _outlines(ax, cut, f"label {m}", "prediction", n_classes)
        for ends in ((source, ax), (ax, mean)):
            fig.add_artist(_arrow(ConnectionPatch, *ends))
    shown = heat_map(mean, cut, "mean", 1, f"mean\nDice {dice[-1]:.3f}")
    _outlines(mean, cut, "prediction", "prediction", n_classes)
    top = max(LEAST, float(np.percentile(cut.labels["variance"], 99.5)))
    varied = heat_map(variance, cut, "variance", top, "variance over\nthe members")
    width = 0.6 if is_crowded(cut, n_classes) else 1.1
    outline(variance, cut.labels["wrong"] > 0, LOOKS["the mean is wrong"], width)
    for ax, map_, label in ((mean, shown, "probability of\nforeground"), (variance, varied, "")):
        bar = ax.inset_axes((0.05, -0.14, 0.9, 0.05))
        fig.colorbar(map_, cax=bar, label=label, orientation="horizontal", ticks=MaxNLocator(3))
    fig.legend(handles=line_handles(LOOKS, list(LOOKS.values())), loc="outside lower center", ncols=3)
    fig.set_layout_engine("constrained", w_pad=0.04, h_pad=0.06, wspace=0.12)
    return fig


def _outlines(ax: Any, cut: Any, name: str, kind: str, n_classes: int) -> None:
    """The borders of all classes of a label, in the look of what it is, thinner where there are many."""
    crowded = is_crowded(cut, n_classes)
    for k in range(1, n_classes):
        outline(ax, cut.labels[name] == k, LOOKS[kind], 0.6 if crowded else 1.1, shadow=not crowded)


def _arrow(patch: Any, first: Any, second: Any) -> Any:
    """From the right edge of one panel to the left edge of another."""
    ends = {"xyA": (1.02, 0.5), "coordsA": first.transAxes, "xyB": (-0.02, 0.5), "coordsB": second.transAxes}
    arrow = patch(**ends, arrowstyle="-|>", color="#444444", mutation_scale=9, linewidth=1.1)
    arrow.set_in_layout(False)
    return arrow


def members_curve(gains: "Mapping[str, pd.DataFrame]", cases: str) -> "Figure":
    """Dice against the number of members averaged, which is the number of trainings.

    A line is the mean over all choices of so many members; a small mark is one choice.

    Args:
        gains: by the name of the ensemble, as `evaluation.members.dice_of_subsets` gives it; a single network
            is an ensemble of one.
        cases: which they are, in words.

    Raises:
        ValueError: for no ensemble.
    """
    if not gains:
        raise ValueError("gains: expected one ensemble or more, got none")
    with house():
        fig = canvas(7.0, 3.6)
        ax = fig.add_subplot()
        most, said = 1, []
        reach = 0.05 * (len(gains) - 1)
        for index, shift in enumerate(np.linspace(-reach, reach, len(gains))):
            name, table = list(gains.items())[index]
            style, means = look(index), table.groupby("members")["dice"].mean()
            marks: dict[str, Any] = {"color": style.colour, "marker": style.marker}
            ax.plot(table["members"] + shift, table["dice"], ls="none", ms=3, alpha=0.6, **marks)
            ax.plot(means.index + shift, means, ls=style.line, ms=8, mec="white", label=name, **marks)
            most = max(most, int(means.index.max()))
            of_each = ", ".join(f"{value:.3f} with {count}" for count, value in means.items())
            said.append(f"{name}: {of_each}")
        ax.set(xlabel="members, each of them a training", ylabel="Dice", xticks=range(1, most + 1))
        ax.set_xlim(1 - 0.3, most + 0.3)
        ax.set_title(cases, fontsize=9, fontweight="normal")
        fig.legend(loc="outside right upper", handlelength=3.2)
        fig.set_label(f"Dice against the number of members averaged, {cases}. {'. '.join(said)}.")
    return fig
