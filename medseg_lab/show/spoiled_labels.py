"""Labels that are wrong on purpose: whether two streams find them (survey 3.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.spoiled import spoiled
from medseg_lab.data.task import Task
from medseg_lab.inference.predict import covered
from medseg_lab.rounds.tsman import TSMAN
from medseg_lab.rounds.two_streams import disagreement
from medseg_lab.show.contours import handles, is_marked, panel, per_slice, small_title, square_box
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import Spot
from medseg_lab.show.style import canvas, house, look
from medseg_lab.uncertainty.measures.error_detection import error_auroc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNALS = {"streams": "streams disagree", "label": "label has a low probability"}
"""What may tell a wrong label: d of the two streams, or 1 - p of the label, p the mean of the streams."""
WAYS = ("grown", "moved", "missing")


@dataclass(frozen=True)
class Doubts:
    """What two streams say of a case whose labels were spoiled; all arrays are `(*S)`.

    Args:
        case: with its right labels.
        taught: the spoiled ones.
        streams: how far the streams are apart, 0 to 1.
        label: one minus the probability of the taught class.
        judged: the voxels that count: where the right label, the taught one or the prediction is foreground.
    """

    case: Case
    taught: NDArray[np.uint8]
    streams: NDArray[np.float32]
    label: NDArray[np.float32]
    judged: NDArray[np.bool_]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Where the taught label is not the right one."""
        found: NDArray[np.bool_] = self.taught != self.case.label.cpu().numpy()
        return found


def doubts(learner: TSMAN, case: Case, slice_axis: int) -> Doubts:
    """What a trained learner says of a case with right labels, after these are spoiled as in its training.

    Args:
        learner: of two streams.
        case: one of those that it was trained on.
        slice_axis: across which a volume is cut.
    """

    def both(patches: Tensor) -> Tensor:
        first, second = learner.network(patches)
        mean = (first.float().softmax(dim=1) + second.float().softmax(dim=1)) / 2
        return torch.cat((disagreement(first, second).unsqueeze(1), mean), dim=1)

    apart, *p = covered(learner, case.image, both, slice_axis=slice_axis).cpu()
    taught = spoiled(case, slice_axis).cpu()
    known = (taught != IGNORE).numpy()
    of_label = torch.stack(p).gather(0, (taught.long() * torch.from_numpy(known))[None])[0]
    marks = (case.label.cpu().numpy(), taught.numpy(), torch.stack(p).argmax(dim=0).numpy())
    judged = known & np.any([is_marked(mark) for mark in marks], axis=0)
    return Doubts(case, taught.numpy(), apart.numpy(), 1 - of_label.numpy(), judged)


def detection(found: Sequence[Doubts]) -> dict[str, float]:
    """The AUROC of each of the `SIGNALS` for finding wrong labels, over the judged voxels of all cases."""
    return {
        signal: error_auroc(torch.from_numpy(values), torch.from_numpy(wrong))
        for signal, (values, wrong) in ((signal, _judged(found, signal)) for signal in SIGNALS)
    }


def detection_curves(found: Mapping[str, Sequence[Doubts]]) -> "Figure":
    """How many wrong labels are found for how many right ones that are suspected: ROC curves.

    Args:
        found: for each learner's name, its doubts about the cases it was trained on.
    """
    with house():
        fig = canvas(7.0, 3.4)
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=(0, (2, 2)))
        said = []
        for number, (name, cases) in enumerate(found.items()):
            areas = detection(cases)
            for other, (signal, words) in enumerate(SIGNALS.items()):
                values, wrong = _judged(cases, signal)
                ordered = wrong[np.argsort(-values, kind="stable")]
                at = np.linspace(0, len(ordered) - 1, 200).astype(int)
                curve = [np.cumsum(which)[at] / max(1, which.sum()) for which in (~ordered, ordered)]
                style = look(2 * number + other)
                label = f"{name}: {words}, {areas[signal]:.2f}"
                ax.plot(*curve, color=style.colour, linestyle=style.line, label=label)
                said.append(label)
        ax.set(xlabel="right labels that are suspected", ylabel="wrong labels that are found")
        ax.set(xlim=(0, 1), ylim=(0, 1.01), box_aspect=1)
        fig.legend(loc="outside right upper", title="AUROC", fontsize=8)
        fig.set_label(f"ROC curves of finding wrong labels; AUROC of {'; '.join(said)}.")
    return fig


def spoiled_slices(
    found: Sequence[Doubts], task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """For each way to spoil labels, the slice with most wrong ones: right, taught, and where what is doubted.

    Args:
        found: the doubts of one learner about its cases.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: if no label is wrong.
    """
    places = _telling(found, slice_axis)
    if not places:
        raise ValueError("doubts: expected a case with a spoiled label, got none")
    cuts = {}
    for way, (one, place) in places.items():
        right = one.case.label.cpu().numpy()
        arrays = {"right": right, "taught": one.taught, "streams": one.streams, "label": one.label}
        known = {n: np.where(a == IGNORE, 0, a) if a.dtype == np.uint8 else a for n, a in arrays.items()}
        cuts[way] = place.cut(one.case, {name: place.of(array) for name, array in known.items()}, channel)
    titles = {"right": "right label", "taught": "taught label", "streams": "streams disagree"}
    titles["label"] = "1 - p of the label"
    with house():
        fig = canvas(7.0, 0.6 + sum(ratio(cut) * 1.6 + 0.25 for cut in cuts.values()))
        grid = fig.subplots(len(cuts), 4, squeeze=False)
        for number, (row, (way, cut)) in enumerate(zip(grid, cuts.items(), strict=True)):
            for ax, name in zip(row, titles, strict=True):
                title = "" if number else titles[name]
                if name in ("right", "taught"):
                    panel(ax, cut, name, len(task.classes))
                    small_title(ax, title)
                else:
                    drawn = heat_map(ax, cut, name, 1.0, title)
            row[0].set_ylabel(way)
            colour_bar(row[-1], drawn)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        cases = ", ".join(f"{way} in {one.case.id}" for way, (one, _) in places.items())
        fig.set_label(f"Labels spoiled on purpose ({cases}): right, taught, and where what is doubted.")
    return fig


def _judged(found: Sequence[Doubts], signal: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A signal and whether the label is wrong, at the judged voxels of all cases."""
    return (
        np.concatenate([getattr(one, signal)[one.judged] for one in found]),
        np.concatenate([one.wrong[one.judged] for one in found]),
    )


def _telling(found: Sequence[Doubts], slice_axis: int) -> dict[str, tuple[Doubts, Spot]]:
    """For each way to spoil labels, the case and place with most wrong voxels."""
    most, places = dict.fromkeys(WAYS, 0), {}
    for one in found:
        right, axis = one.case.label.cpu().numpy(), slice_axis % 3 if one.taught.ndim == 3 else None
        counts = per_slice(one.wrong, axis) if axis is not None else np.array([one.wrong.sum()])
        for index in np.flatnonzero(counts):
            is_right, is_taught = (
                is_marked(labels if axis is None else labels.take([index], axis).squeeze(axis))
                for labels in (right, one.taught)
            )
            way = "missing" if not is_taught.any() else "grown" if is_taught[is_right].all() else "moved"
            if counts[index] > most[way]:
                spacing = [s for a, s in enumerate(one.case.spacing or [1.0] * right.ndim) if a != axis]
                most[way] = int(counts[index])
                places[way] = one, Spot(axis, int(index), square_box(is_right | is_taught, spacing))
    return {way: places[way] for way in WAYS if way in places}
