"""A mask over its image, to see at a glance whether it lies where it should."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.readers.decode.volume import Volume, read_mask, read_volume
from medseg_lab.data.readers.geometry import arranged
from medseg_lab.data.task import Task
from medseg_lab.inference.apply import Segmented
from medseg_lab.inference.images.as_trained import AsTrained
from medseg_lab.show.contours import cut_slice, panels, per_slice, pictured, small_title
from medseg_lab.show.style import house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MASK = "mask"


def overlay(found: Segmented, like: AsTrained) -> "Figure":
    """The slice with most foreground, as it is and with the outlines of the mask, both read from the files.

    A slice is drawn as in all pictures of cases: of a volume's two axes, the first runs rightwards and the
    second upwards, right and front of the patient's where the file says where they are.

    Args:
        found: what was segmented.
        like: what the training's images were: names the classes, and the axis across which it is sliced.

    Raises:
        ValueError: naming a file that cannot be read.
    """
    files = [read_volume(path) for path in found.image]
    voxels, mask = np.concatenate([volume.voxels for volume in files]), read_mask(found.mask)
    dims = min(like.spatial_dims, voxels.ndim - 1)
    image = arranged(Volume(voxels, files[0].affine, files[0].spacing), dims, found.image[0])
    # the image's place, not the mask's own: a mask whose header were wrong would be seen
    stored = arranged(Volume(mask.voxels, files[0].affine, files[0].spacing), dims, found.mask).voxels[0]
    label = np.zeros(stored.shape, np.uint8)
    for k, value in enumerate(like.values or range(len(like.classes))):
        label[stored == value] = k
    case = Case(found.case, "", torch.from_numpy(image.voxels.astype(np.float32)), torch.empty(0), None)
    axis = like.how.slice_axis % label.ndim
    counts = per_slice(label > 0, axis) if dims == 3 else np.ones(1)
    index = int(counts.argmax()) if counts.any() else len(counts) // 2
    task = Task(len(like.channels), like.classes, dims)
    with house():
        cut = cut_slice(pictured(case), {MASK: label}, image.spacing, axis, index)
        fig, grid = panels([[(cut, ""), (cut, MASK)]], task)
        where = f", slice {index + 1} of {label.shape[axis]}" if dims == 3 else ""
        for ax, text in zip(grid[0], (f"{found.case}{where}", "mask"), strict=True):
            small_title(ax, text)
        said = ", ".join(f"{name} {n} voxels" for name, n in list(found.voxels.items())[1:])
        fig.set_label(f"Image and outlines of the mask of {found.case}{where}: {said}.")
    return fig
