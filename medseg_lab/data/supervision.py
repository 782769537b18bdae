"""Weaker supervision derived from a voxel-wise label: image-level classes and bounding boxes."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from medseg_lab.data.case import IGNORE, Case


def present_classes(label: Tensor, classes: int) -> Tensor:
    """Image-level labels: which of the K `classes` have a voxel in `label` `(*S)`; bool `(K,)`.

    `IGNORE` is no class.
    """
    found = label[label != IGNORE].long().unique()
    return torch.zeros(classes, dtype=torch.bool).index_fill_(0, found, True)


def boxes(label: Tensor, classes: int, margin: int = 0) -> Tensor:
    """The label that bounding boxes leave: each is filled with the class of the component that it encloses.

    Components are connected through faces. Smaller boxes lie over larger ones, so that a class inside another
    stays visible; of boxes of one size the higher class lies on top. Voxels that are `IGNORE` stay so.

    Args:
        label: `(*S)`, uint8 or int64, on any device.
        classes: K; classes 1 to K - 1 get boxes.
        margin: voxels by which each box is larger on every side, within the image.

    Raises:
        ValueError: if the margin is negative.
    """
    if margin < 0:
        raise ValueError(f"margin: expected 0 or more voxels, got {margin}")
    voxels = label.numpy(force=True)
    found = []
    for value in range(1, classes):
        components, _ = ndimage.label(voxels == value)
        for edges in ndimage.find_objects(components):
            box = tuple(slice(max(edge.start - margin, 0), edge.stop + margin) for edge in edges)
            found.append((value, box))
    filled = np.zeros_like(voxels)
    for value, box in sorted(found, key=lambda one: (-filled[one[1]].size, one[0])):
        filled[box] = value
    filled[voxels == IGNORE] = IGNORE
    return torch.from_numpy(filled).to(label.device)


@dataclass(frozen=True)
class ImageLabelledCase(Case):
    """A case whose voxel-wise labels are withheld: `labels` is `(0, *S)`.

    Args:
        present: `(R, K)`, bool: the classes that each rater saw in the image.
    """

    present: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.bool))


def weakly_labelled(case: Case, kind: Literal["boxes", "classes"], classes: int) -> Case:
    """The case as a learner with weaker supervision may see it; the distribution is withheld.

    Args:
        case: with voxel-wise labels.
        kind: `boxes` replaces each reading by its `boxes`; `classes` gives an `ImageLabelledCase`.
        classes: K.

    Raises:
        ValueError: for another kind.
    """
    labels = case.labels
    if kind == "boxes":
        drawn = [boxes(reading, classes) for reading in labels]
        return Case(case.id, case.patient, case.image, torch.stack(drawn), case.spacing)
    if kind == "classes":
        present = torch.stack([present_classes(reading, classes) for reading in labels])
        withheld = labels[:0].clone()
        return ImageLabelledCase(case.id, case.patient, case.image, withheld, case.spacing, None, present)
    raise ValueError(f"kind: expected 'boxes' or 'classes', got {kind!r}")
