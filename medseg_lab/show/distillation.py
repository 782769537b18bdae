"""Hierarchical distillation on one slice: each network's answer to each copy, and their means (figure 12)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.rounds.tsman import TURN, changes
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import handles, panel, small_title
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.test_time_augmentation import answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def distillation(
    learners: Mapping[str, Segmenter],
    case: Case,
    task: Task,
    *,
    slice_axis: int = 2,
    channel: int | None = None,
) -> "Figure":
    """A row for each network: the answers to the image and to its changed copies, changed back, and the mean.

    The last row is the mean over the networks, of each column. Above each panel is the Dice on the slice,
    which is the one on which the reference marks most.

    Args:
        learners: of slices, by name.
        case: with a reference.
        task: names the classes.
        slice_axis: across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: for a learner of volumes.
    """
    if dims := {one.task.spatial_dims for one in learners.values()} - {2}:
        raise ValueError(f"learners: expected learners of slices, got one of {dims.pop()} dimensions")
    mirror = next(iter(learners.values())).task.mirror
    place = fullest(case, slice_axis, next(iter(learners.values())).patch)
    image, copies = place.image(case), changes(2, mirror)
    said = {}
    for name, learner in learners.items():
        with torch.inference_mode():
            plain = learner.eval().predict(image).float()
            each = torch.cat((plain[None], answers(learner, image, copies, plain)))[:, 0]
        said[name] = torch.cat((each, each.mean(dim=0, keepdim=True)))  # (copies + 1, K, H, W)
    if len(said) > 1:
        said["mean"] = torch.stack(list(said.values())).mean(dim=0)
    columns = ["as it is", f"turned {TURN:.0f}°", f"turned -{TURN:.0f}°", *["mirrored"] * len(mirror), "mean"]
    reference = place.of(case.label.cpu().numpy())
    maps = {f"{name} {i}": m.cpu().numpy() for name, of in said.items() for i, m in enumerate(of.argmax(1))}
    cut = place.cut(case, {name: found.astype(np.uint8) for name, found in maps.items()}, channel)
    with house():
        height = len(said) * (ratio(cut) * 6.6 / len(columns) + 0.35) + 0.5
        fig = canvas(7.0, height)
        grid = fig.subplots(len(said), len(columns), squeeze=False)
        words = []
        for number, (row, name) in enumerate(zip(grid, said, strict=True)):
            for i, (ax, column) in enumerate(zip(row, columns, strict=True)):
                dice = case_dice(maps[f"{name} {i}"], reference, task)
                panel(ax, cut, f"{name} {i}", len(task.classes))
                small_title(ax, f"{dice:.2f}" if number else f"{column}\n{dice:.2f}")
                words.append(f"{name}, {column}: {dice:.2f}")
            row[0].set_ylabel(name)
        fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
        fig.set_label(f"Slice of case {case.id}, Dice of each answer. {'; '.join(words)}.")
    return fig
