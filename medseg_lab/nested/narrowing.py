"""Where the steps of a trained cascade look in a case, and what they find there (2.1.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.predict import covered
from medseg_lab.nested.boxes import Box, box_of
from medseg_lab.nested.three_step import Cascade


@dataclass(frozen=True)
class Narrowing:
    """One case, narrowed step by step.

    Args:
        case: with its reference.
        found: classes `(*S)`, what the cascade made of it.
        boxes: in which each step but the first looked; None where the step before found nothing.
        true_boxes: those around the true regions.
    """

    case: Case
    found: NDArray
    boxes: tuple[Box | None, ...]
    true_boxes: tuple[Box | None, ...]


def narrowings(
    learner: Cascade, case: Case, references: Sequence[Tensor | None] = (None,)
) -> list[Narrowing]:
    """A case, narrowed by a trained cascade: once for each way of setting its boxes.

    The first step is the same for all, and is done once.

    Args:
        learner: the trained cascade.
        case: with a reference.
        references: None for boxes around what the steps find; or a label map `(*S)`, for boxes around its
            regions: the case's own for the true boxes, one that is `shifted` for shifted ones.
    """
    image = case.image.float()
    with torch.no_grad():
        first = covered(learner, image, learner.predict, slice_axis=learner.task.slice_axis)
        regions = [learner.region(case.label, level) for level in range(len(learner.task.nested) - 1)]
        true = tuple(box_of(region, learner.margin) for region in regions)
        found = []
        for reference in references:
            probabilities, boxes = learner.narrowed(first, image, reference)
            found.append(Narrowing(case, probabilities.argmax(0).cpu().numpy(), tuple(boxes), true))
    return found


def shifted(label: Tensor, voxels: int) -> Tensor:
    """A label map `(*S)` moved along its first axis; what leaves it is lost, and background follows."""
    moved = torch.roll(label, voxels, 0)
    moved[:voxels] = 0
    return moved
