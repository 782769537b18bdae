"""How large regions are said to be, and what another size costs a prediction (survey 3.1 [61])."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.inference.predict import predict_case
from medseg_lab.semi.curriculum_size import CurriculumSize, size_penalty, sizes
from medseg_lab.show.contours import small_title
from medseg_lab.show.style import COLOURS, MARKERS, canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAID, DRAWN = "the regressor's R", "the network's s"
MOST_PANELS = 4


def region_sizes(
    learner: CurriculumSize, cases: Sequence[Case], task: Task, slice_axis: int = 2
) -> pd.DataFrame:
    """A row for each slice and each class that it shows: the true size, R and s, in pixels.

    R is the regressor's, of the whole slice, padded with 0 to the training patch where it is smaller, and
    without the learner's `factor`; s is the sum of the probabilities that the network predicts for the class.

    Args:
        learner: trained, of slices (on a cohort of volumes or of pictures) or of volumes.
        cases: with the labels; those that were withheld in training will do.
        task: names the classes; the cohort's.
        slice_axis: across which a volume is cut for a learner of slices.

    Returns:
        Columns case, slice, class, true, expected (R) and found (s). A learner of volumes has one "slice".
    """
    rows = []
    for case in cases:
        found = predict_case(learner, case.image, slice_axis=slice_axis)
        sliced = case.image.ndim > learner.task.spatial_dims + 1
        image, label, probabilities = (
            x.movedim(x.ndim - 3 + slice_axis % 3, 0) if sliced else x[None]
            for x in (case.image, case.label, found.cpu())
        )  # (slices, C, *P), (slices, *P), (slices, K, *P)
        true, expected = sizes(label, len(task.classes)), _expected(learner, image)
        drawn = probabilities[:, 1:].flatten(2).sum(dim=2)
        for index, k in (true > 0).nonzero().tolist():
            if not (label[index] == IGNORE).any():
                values = {"true": true, "expected": expected, "found": drawn}
                numbers = {name: float(value[index, k]) for name, value in values.items()}
                rows.append({"case": case.id, "slice": index, "class": task.foreground[k], **numbers})
    return pd.DataFrame(rows, columns=["case", "slice", "class", "true", "expected", "found"])


def _expected(learner: CurriculumSize, image: Tensor) -> Tensor:
    missing = [max(0, edge - n) for edge, n in zip(learner.patch, image.shape[2:], strict=True)]
    padded = F.pad(image, [side for more in reversed(missing) for side in (0, more)])
    device = next(learner.parameters()).device
    found = [learner.expected_sizes(one.to(device, torch.float32)) for one in padded.split(16)]
    return torch.cat(found).cpu() / learner.factor


def size_scatter(table: pd.DataFrame, tolerance: float = 0.1) -> "Figure":
    """A panel for each class (four at most): the sizes R and s of each slice against the true size.

    In the shaded band a size is off by no more than the tolerance. What share of R and of s is in it stands
    above the panel.

    Args:
        table: as `region_sizes` gives it.
        tolerance: gamma.

    Raises:
        ValueError: for a table without rows.
    """
    if table.empty:
        raise ValueError("table: expected one or more sizes, got none")
    classes = list(dict.fromkeys(table["class"]))[:MOST_PANELS]
    said = []
    with house():
        fig = canvas(7.0, 7.0 / max(2, len(classes)) + 1.0)
        panels: Any = fig.subplots(1, len(classes), squeeze=False)[0]
        for ax, name in zip(panels, classes, strict=True):
            of = table[table["class"] == name]
            end = 1.05 * float(of[["true", "expected", "found"]].to_numpy().max())
            line = np.array([0.0, end])
            low, high = (1 - tolerance) * line, (1 + tolerance) * line
            ax.fill_between(line, low, high, color="#bbbbbb", linewidth=0, label=f"within {tolerance:.0%}")
            for index, (column, what) in enumerate((("expected", SAID), ("found", DRAWN))):
                look = {"marker": MARKERS[index], "color": COLOURS[index], "markersize": 3.5, "alpha": 0.6}
                ax.plot(of["true"], of[column], linestyle="", markeredgewidth=0, label=what, **look)
            shares = {c: within(of["true"], of[c], tolerance) for c in ("expected", "found")}
            small_title(ax, f"{name}\nin the band: R {shares['expected']:.0%}, s {shares['found']:.0%}")
            ax.set(xlim=(0, end), ylim=(0, end), aspect="equal", xlabel="true size (pixels)")
            ax.locator_params(nbins=4)
            said.append(f"{name}, {len(of)} slices: R {shares['expected']:.0%}, s {shares['found']:.0%}")
        panels[0].set_ylabel("R and s (pixels)")
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        fig.set_label(f"Sizes within {tolerance:.0%} of the true size: {'; '.join(said)}.")
    return fig


def within(true: pd.Series, size: pd.Series, tolerance: float) -> float:
    """The share of the sizes that are off from the true ones by no more than the tolerance."""
    return float(((size - true).abs() <= tolerance * true).mean())


def penalty_curve(row: "pd.Series") -> Callable[[float], "Figure"]:
    """A function that draws what a size of one class in one slice costs, around R, with this tolerance.

    Made for `explore(penalty_curve(table.iloc[0]), gamma=(0.0, 0.1, 0.3))`, with
    `medseg_lab.show.explorer.explore`. Above the penalty (s - b)^2, in square pixels; below it its slope, by
    which each pixel of the class is pushed. Where the network's s lies it is pushed towards R; where the true
    size lies outside of the bounds, a prediction that is right would be pushed away from the truth.

    Args:
        row: of the table that `region_sizes` gives.
    """
    expected, marks = (
        float(row["expected"]),
        {"true size": row["true"], DRAWN: row["found"], SAID: row["expected"]},
    )
    end = 1.3 * max(marks.values())

    def draw(gamma: float) -> "Figure":
        size = torch.linspace(0, end, 300).requires_grad_()
        penalty = size_penalty(size, torch.tensor(expected), gamma)
        (slope,) = torch.autograd.grad(penalty.sum(), size)
        at = {
            name: float(size_penalty(torch.tensor(s), torch.tensor(expected), gamma))
            for name, s in marks.items()
        }
        with house():
            fig = canvas(7.0, 4.4)
            above, below = fig.subplots(2, 1, sharex=True, height_ratios=(2, 1))
            for ax, y in ((above, penalty), (below, slope)):
                ax.plot(size.detach(), y.detach(), color="black", linewidth=1.5)
                ax.axvspan((1 - gamma) * expected, (1 + gamma) * expected, color="#dddddd", linewidth=0)
            for index, (name, s) in enumerate(marks.items()):
                below.axvline(s, color=COLOURS[index], linewidth=1)
                look = {"color": COLOURS[index], "marker": MARKERS[index]}
                above.plot(s, at[name], linestyle="", label=f"{name}: {s:.0f}", zorder=3, **look)
            above.set(ylabel="penalty", xlim=(0, end), ylim=(-0.05 * expected**2, 1.1 * expected**2))
            below.set(ylabel="its slope", xlabel=f"size of {row['class']} (pixels)")
            fig.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3)
            fig.suptitle(
                f"no penalty from {(1 - gamma) * expected:.0f} to {(1 + gamma) * expected:.0f} pixels",
                fontsize=10,
            )
            free = [name for name, cost in at.items() if cost == 0]
            fig.set_label(
                f"Penalty of a size, gamma {gamma:g}: none from {(1 - gamma) * expected:.0f} to "
                f"{(1 + gamma) * expected:.0f} pixels. Without a penalty: {', '.join(free) or 'none'}."
            )
        return fig

    return draw
