"""Cases, good and bad, with what each method drew on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import score
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTOURS = (
    ("#56B4E9", "-"),
    ("#E69F00", (0, (4, 1.2))),
    ("#00E08A", (0, (1, 0.8))),
    ("#F0E442", (0, (4, 1, 1, 1))),
)
MOST = 5


def best_and_worst(
    cases: Sequence[Case],
    predictions: Mapping[str, Mapping[str, NDArray[np.integer]]],
    task: Task,
    *,
    slice_axis: int = 0,
    channel: int = 0,
) -> "Figure":
    """The best, the median and the worst case: image, reference, and every method's contours.

    Cases are ranked by their Dice, averaged over the methods. Of a volume, the slice is shown on which the
    methods and the reference disagree on most voxels, cut to the region that anyone marked.

    Args:
        cases: with reference labels.
        predictions: a method's name to its classes `(*S)` by case id
            (`medseg_lab.evaluation.judge.segmentations`); five methods at most.
        task: names the classes.
        slice_axis: along which a volume is sliced.
        channel: of the image.

    Raises:
        ValueError: for more methods than fit a page, or no cases.
    """
    if not cases or not 1 <= len(predictions) <= MOST:
        seen = f"{len(cases)} cases and {len(predictions)} methods"
        raise ValueError(f"pictures: got {seen}, wanted 1 case or more and 1 to {MOST} methods")
    dice = {
        case.id: {name: _dice(of[case.id], case, task) for name, of in predictions.items()} for case in cases
    }
    rows = _picked(sorted(cases, key=lambda case: -np.mean(list(dice[case.id].values()))))
    with house():
        cuts = [_cut(case, predictions, slice_axis, channel) for case in rows.values()]
        heights = [cut.image.shape[0] * cut.aspect / cut.image.shape[1] for cut in cuts]
        width = 6.6 / (2 + len(predictions))
        fig = canvas(7.0, 0.75 + sum(width * height + 0.3 for height in heights))
        panels = fig.subplots(len(rows), 2 + len(predictions), squeeze=False, height_ratios=heights)
        for (title, case), cut, row in zip(rows.items(), cuts, panels, strict=True):
            for ax, name in zip(row, ["image", *cut.labels], strict=True):
                _panel(ax, cut, name, len(task.classes))
                value = dice[case.id].get(name)
                ax.set_title(
                    "" if value is None else f"Dice {value:.2f}",
                    fontsize=9,
                    fontweight="normal",
                    loc="center",
                )
            row[0].set_ylabel(f"{title}\n{case.id}", fontsize=9)
        for ax, name in zip(panels[0], ["image", *cuts[0].labels], strict=True):
            _title(ax, f"{name}\n{ax.get_title('center')}")
        fig.legend(handles=_handles(task), loc="outside lower center", ncols=len(task.foreground))
        fig.set_label(alt_text(rows, dice))
    return fig


def alt_text(rows: Mapping[str, Case], dice: Mapping[str, Mapping[str, float]]) -> str:
    """The figure in words."""
    said = [
        f"{title} case {case.id}: "
        + ", ".join(f"{name} Dice {value:.2f}" for name, value in dice[case.id].items())
        for title, case in rows.items()
    ]
    return "Contours of the reference and of each method. " + ". ".join(said) + "."


def telling_slice(reference: NDArray, others: Sequence[NDArray], axis: int) -> int:
    """The index along `axis` at which most voxels are not labelled alike by all.

    Only slices count on which the reference marks a quarter or more of what it marks on its fullest: an edge
    of the image tells little of a structure. If all agree, it is the fullest slice.
    """
    first = np.moveaxis(reference, axis, 0)
    disagree = np.any([np.moveaxis(other, axis, 0) != first for other in others], axis=0)
    across = tuple(range(1, first.ndim))
    marked, different = (first > 0).sum(axis=across), disagree.sum(axis=across)
    different = np.where(marked >= marked.max() / 4, different, 0)
    return int(np.argmax(different if different.any() else marked))


def _picked(ranked: Sequence[Case]) -> dict[str, Case]:
    if len(ranked) < 3:
        return dict(zip(["best", "worst"] if len(ranked) == 2 else ["the only"], ranked, strict=True))
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}


def _dice(prediction: NDArray, case: Case, task: Task) -> float:
    rows = score(prediction, case.label.cpu().numpy(), len(task.classes), None, metrics=["dice"])
    return float(np.mean([row["dice"] for row in rows]))


@dataclass(frozen=True)
class _Cut:
    """A 2D image and labels around what was marked, and the height of a pixel over its width."""

    image: NDArray
    labels: dict[str, NDArray]
    aspect: float


def _cut(case: Case, predictions: Mapping[str, Mapping[str, NDArray]], axis: int, channel: int) -> _Cut:
    image = case.image[channel].float().cpu().numpy()
    labels = {
        "reference": case.label.cpu().numpy(),
        **{name: of[case.id] for name, of in predictions.items()},
    }
    spacing = list(case.spacing or [1.0] * image.ndim)
    if image.ndim == 3:
        index = telling_slice(labels["reference"], list(labels.values())[1:], axis)
        image = image.take(index, axis)
        labels = {name: label.take(index, axis) for name, label in labels.items()}
        spacing.pop(axis)
    marked = np.any([label > 0 for label in labels.values()], axis=0)
    box = _square(marked, spacing) if marked.any() else (slice(None), slice(None))
    return _Cut(image[box], {name: label[box] for name, label in labels.items()}, spacing[0] / spacing[1])


def _square(marked: NDArray, spacing: Sequence[float]) -> tuple[slice, slice]:
    """The box around what is marked, with a quarter more, square in millimetres where the image allows."""
    ends = [np.flatnonzero(marked.any(axis=1 - axis))[[0, -1]] for axis in (0, 1)]
    longest = max((high - low + 1) * step for (low, high), step in zip(ends, spacing, strict=True))
    side = 1.25 * longest + 4 * max(spacing)
    box = []
    for (low, high), step, size in zip(ends, spacing, marked.shape, strict=True):
        length = min(size, int(np.ceil(side / step)))
        start = int(np.clip((low + high + 1 - length) // 2, 0, size - length))
        box.append(slice(start, start + length))
    return box[0], box[1]


def _panel(ax: Any, cut: _Cut, name: str, n_classes: int) -> None:
    """The image, with the contours of the labels called `name` if there are any."""
    from matplotlib.patheffects import Normal, Stroke

    low, high = np.percentile(cut.image, [1, 99])
    ax.imshow(cut.image, vmin=low, vmax=max(high, low + 1e-6), aspect=cut.aspect)
    for k in range(1, n_classes) if name in cut.labels else ():
        mask = cut.labels[name] == k
        if not mask.any():
            continue
        colour, line = CONTOURS[(k - 1) % len(CONTOURS)]
        lines = ax.contour(np.pad(mask, 1), [0.5], colors=[colour], linestyles=[line], linewidths=1.5)
        lines.set_path_effects([Stroke(linewidth=2.6, foreground="black", alpha=0.55), Normal()])
        lines.set_transform(_unpadded(ax))
    ax.set(xticks=[], yticks=[], xlim=(-0.5, cut.image.shape[1] - 0.5), ylim=(cut.image.shape[0] - 0.5, -0.5))
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _unpadded(ax: Any) -> Any:
    """Padding closes contours at the border; it moved them by one pixel."""
    from matplotlib.transforms import Affine2D

    return Affine2D().translate(-1, -1) + ax.transData


def _title(ax: Any, text: str) -> None:
    ax.set_title(text, fontsize=9, fontweight="normal", loc="center")


def _handles(task: Task) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    for k, name in enumerate(task.foreground):
        colour, line = CONTOURS[k % len(CONTOURS)]
        handles.append(Line2D([], [], color=colour, ls=line, linewidth=2.2, label=name))
    return handles
