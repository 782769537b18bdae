"""What the heads of classes say beside what the pixels say (survey 2.2.3)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import CONTOURS, outline, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house, look
from medseg_lab.training.multitask import Multitask, present, strongest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 3
"""Classes that fit a page."""


def presence_grid(learner: Multitask, case: Case, task: Task, *, slice_axis: int = 2) -> "Figure":
    """A slice with its reference, and for each class the probability that a cell of the grid holds it.

    Cells are large and sharp. The outline surrounds those that truly hold a pixel of the class.

    Args:
        learner: trained on slices, that predicts the classes of each cell (`FineClass`).
        case: with a reference; of a volume, the slice on which most is marked.
        task: names the classes, of which the first three are shown.
        slice_axis: across which a volume is cut.
    """
    place, names = fullest(case, slice_axis, least=learner.patch), task.foreground[:MOST]
    image, cell = place.image(case).float(), learner.cell()
    label = torch.from_numpy(place.of(case.label.cpu().numpy()).astype("int64"))[None]
    with torch.no_grad():
        found = enlarged(learner.classes(image), cell, image.shape[2:])[0].numpy()
    truth = enlarged(present(label, len(task.classes), cell) == 1, cell, image.shape[2:])[0].numpy()
    maps = {
        f"{kind} {k}": of[k] for kind, of in (("said", found), ("true", truth)) for k in range(len(names))
    }
    cut = place.cut(case, {"reference": label[0].numpy(), **maps})
    with house():
        fig = canvas(7.0, 0.5 + min(3.2, 6.2 / (len(names) + 1) * ratio(cut)))
        first, *others = fig.subplots(1, len(names) + 1, squeeze=False)[0]
        panel(first, cut, "reference", len(task.classes))
        small_title(first, "image and reference")
        said = []
        for k, (ax, name) in enumerate(zip(others, names, strict=True)):
            drawn = heat_map(ax, cut, f"said {k}", 1.0, name)
            outline(ax, cut.labels[f"true {k}"] > 0, CONTOURS[k % len(CONTOURS)], 1.5)
            right = ((found[k] > 0.5) == truth[k]).mean()
            said.append(f"{name} in {truth[k].mean():.0%} of the image, the head right in {right:.0%}")
        colour_bar(others[-1], drawn, "probability")
        fig.set_label(f"Which classes each cell of {cell[0]} x {cell[1]} pixels holds: {'; '.join(said)}.")
    return fig


def enlarged(grid: Tensor, cell: Sequence[int], shape: Sequence[int]) -> Tensor:
    """A grid `(N, K, *G)` with a value for each pixel of the image: `(N, K, *shape)`."""
    for axis, side in enumerate(cell, start=2):
        grid = grid.repeat_interleave(side, dim=axis).narrow(axis, 0, shape[axis - 2])
    return grid


def head_and_pixels(
    learners: Mapping[str, Multitask], cases: Sequence[Case], task: Task, *, slice_axis: int = 2
) -> "Figure":
    """How probable each class is in an image, by the head and by its surest pixel; grey where it is there.

    The images are the slices of the first case, from one end to the other, or all cases where these have two
    dimensions. Where the lines part, the tasks disagree.

    Args:
        learners: by name, trained on slices; those that predict the classes of the whole image.
        cases: with a reference.
        task: names the classes, of which the first three are shown.
        slice_axis: across which volumes are cut.
    """
    images, labels = slices(cases, slice_axis)
    names = task.foreground[:MOST]
    there = torch.cat([present(one, len(task.classes)).flatten(1) for one in labels]) == 1  # (images, K-1)
    said = []
    with house():
        fig = canvas(7.0, 0.9 + 1.2 * len(names))
        grid: Any = fig.subplots(len(names), len(learners), squeeze=False, sharex=True, sharey=True)
        for column, (title, learner) in enumerate(learners.items()):
            with torch.no_grad():
                head = torch.cat([learner.classes(one).flatten(1) for one in images])
                pixels = torch.cat([strongest(learner.predict(one))[:, 1:].flatten(1) for one in images])
            said.append(f"{title} {(head - pixels).abs().mean():.3f}")
            grid[0, column].set_title(title, fontsize=9)
            for row, name in enumerate(names):
                ax = grid[row, column]
                x = range(len(images))
                ax.fill_between(x, there[:, row].float(), step="mid", color="0.85", linewidth=0)
                for number, (by, of) in enumerate((("head", head), ("surest pixel", pixels))):
                    style = look(number)
                    ax.plot(x, of[:, row], color=style.colour, ls=style.line, linewidth=1.4, label=by)
                ax.set(ylim=(-0.03, 1.03), yticks=[0, 1])
                if column == 0:
                    ax.set_ylabel(name, fontsize=8)
        volume = cases[0].label.ndim == 3
        for ax in grid[-1]:
            ax.set_xlabel(f"slice of {cases[0].id}" if volume else "image", fontsize=9)
        fig.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        fig.set_label(f"Mean difference between head and surest pixel: {'; '.join(said)}.")
    return fig


def slices(cases: Sequence[Case], slice_axis: int) -> tuple[list[Tensor], list[Tensor]]:
    """Images `(1, C, H, W)` and labels `(1, H, W)`: the slices of the first case, or all cases of 2D."""
    if cases[0].label.ndim == 2:
        return [case.image.float()[None] for case in cases], [case.label.long()[None] for case in cases]
    images = cases[0].image.float().unbind(slice_axis + 1)
    return [one[None] for one in images], [one.long()[None] for one in cases[0].label.unbind(slice_axis)]
